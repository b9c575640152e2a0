"""A blending presentation state: how a PACS viewer itself lays the original functional series over the original one.

DICOM PS3.3 A.33.9 (Advanced Blending). It refers to the series and holds their windows, the palette and an opacity, but
no pixels. Viewers blend by the frame of reference, so that sources that were registered to each other cannot be blended
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.core import palettes
from trifuse.core.errors import InputError
from trifuse.core.files import publish
from trifuse.io.dicom.header import MAKER
from trifuse.io.guard import quiet

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Blended:
    """One original series as it is blended.

    Attributes:
        files: of the series.
        uids: SOP instances among them that belong to it; all if empty.
        window: native values (after the modality's rescale) at the ends of the palette.
        palette: name, or "grey".
    """

    files: tuple[Path, ...]
    uids: frozenset[str]
    window: tuple[float, float]
    palette: str = "grey"


def write_state(path: Path, under: Blended, over: Blended, *, opacity: float = 0.5) -> Path:
    """Writes the state whole or not at all; it joins the study and the patient of the originals.

    Args:
        path: name ending in .dcm.
        under: the structural series.
        over: the functional series.
        opacity: of the functional one, everywhere the same: the standard has no ramp of it, palettes that begin with
            black do that work.

    Raises:
        InputError: if the series are of different studies or frames of reference, hold no images, or have a rescale
            slope of their own for each slice, as many PET do, which a state cannot hold.
    """
    headers = [_headers(series) for series in (under, over)]
    first = headers[0][0]
    for keyword, what in (("StudyInstanceUID", "studies"), ("FrameOfReferenceUID", "frames of reference")):
        if len({str(header.get(keyword, "")) for held in headers for header in held}) > 1:
            raise InputError(f"no blending presentation state: the sources are of different {what}")
    if not first.get("FrameOfReferenceUID"):
        raise InputError("no blending presentation state: the sources name no frame of reference")
    for held in headers:
        if len({(header.get("RescaleSlope"), header.get("RescaleIntercept")) for header in held}) > 1:
            raise InputError("no blending presentation state: the rescale slope of a source differs between its slices")
    with quiet():
        state = _state(headers, (under, over), opacity)
    return publish(path, lambda draft: state.save_as(draft, enforce_file_format=True), None)


def _headers(series: Blended) -> list[Dataset]:
    import pydicom

    with quiet():
        read = [pydicom.dcmread(file, force=True, stop_before_pixels=True) for file in series.files]
    found = [header for header in read if not series.uids or str(header.get("SOPInstanceUID", "")) in series.uids]
    if not found or "SOPClassUID" not in found[0]:
        raise InputError("no blending presentation state: no DICOM images of a source are left to refer to")
    for header in found:
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
            if keyword not in header:
                setattr(header, keyword, "")
    return found


def _state(headers: Sequence[Sequence[Dataset]], blended: Sequence[Blended], opacity: float) -> Any:
    import highdicom
    from highdicom.pr import (
        AdvancedBlending,
        AdvancedBlendingPresentationState,
        BlendingDisplay,
        BlendingDisplayInput,
        SoftcopyVOILUTTransformation,
    )

    from trifuse.core.version import __version__

    items = []
    for number, (held, series) in enumerate(zip(headers, blended, strict=True), start=1):
        low, high = sorted(series.window)
        window = SoftcopyVOILUTTransformation(
            window_center=(low + high) / 2, window_width=high - low, voi_lut_function="LINEAR_EXACT"
        )
        items.append(
            AdvancedBlending(
                held,
                blending_input_number=number,
                voi_lut_transformations=[window],
                palette_color_lut_transformation=_lut(series.palette),
            )
        )
    inputs = [BlendingDisplayInput(number) for number in (2, 1)]  # at one half their order does not matter
    return AdvancedBlendingPresentationState(
        referenced_images=[header for held in headers for header in held],
        blending=items,
        blending_display=[BlendingDisplay("FOREGROUND", inputs, relative_opacity=opacity)],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number="0",
        content_label="UPTAKE",
        content_description=f"{blended[1].palette} over grey",
    )


def _lut(palette: str) -> Any:
    from highdicom import PaletteColorLUT, PaletteColorLUTTransformation

    even = np.linspace(0, 1, 256)
    colours = np.repeat(even[:, None], 3, axis=1) * 255 if palette == "grey" else palettes.paint(even, palette).T * 255
    levels = np.rint(colours).astype(np.uint8)
    parts = [
        PaletteColorLUT(first_mapped_value=0, lut_data=np.ascontiguousarray(levels[:, k]), color=name)
        for k, name in enumerate(("red", "green", "blue"))
    ]
    return PaletteColorLUTTransformation(*parts)
