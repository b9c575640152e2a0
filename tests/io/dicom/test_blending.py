"""Blending presentation states: what they refer to and how it is shown."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from trifuse.core import palettes
from trifuse.core.errors import InputError
from trifuse.io.dicom.blending import Blended, write_state

STUDY = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data" / "dicom" / "sts-025"
pytestmark = pytest.mark.skipif(not STUDY.is_dir(), reason="TRIFUSE_SHARED holds no DICOM series")


def series(name: str, window: tuple[float, float], palette: str = "grey") -> Blended:
    return Blended(tuple(sorted((STUDY / name).iterdir())[:5]), frozenset(), window, palette)


def test_a_state_refers_to_both_series_and_holds_windows_and_palette(tmp_path: Path) -> None:
    path = write_state(tmp_path / "state.dcm", series("ct", (-160, 240)), series("t1", (0, 600), "hot"))
    state = pydicom.dcmread(path)
    under, over = state.AdvancedBlendingSequence
    assert (under.SoftcopyVOILUTSequence[0].WindowCenter, under.SoftcopyVOILUTSequence[0].WindowWidth) == (40, 400)
    lut = np.frombuffer(over.PaletteColorLookupTableSequence[0].RedPaletteColorLookupTableData, np.uint8)
    assert np.abs(lut - palettes.paint(np.linspace(0, 1, 256), "hot")[0] * 255).max() <= 0.5
    source = pydicom.dcmread(sorted((STUDY / "ct").iterdir())[0], stop_before_pixels=True)
    assert (state.StudyInstanceUID, state.PatientID) == (source.StudyInstanceUID, source.PatientID)
    referred = {item.ReferencedSOPInstanceUID for item in under.ReferencedImageSequence}
    assert source.SOPInstanceUID in referred
    assert len(referred) == 5
    assert state.BlendingDisplaySequence[0].RelativeOpacity == 0.5


def test_a_slope_for_each_slice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rescale slope of a source differs between its slices"):
        write_state(tmp_path / "state.dcm", series("ct", (-160, 240)), series("pet", (0, 6), "hot"))
    assert not list(tmp_path.iterdir())
