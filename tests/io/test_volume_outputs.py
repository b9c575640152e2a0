"""Volumes written as files and as DICOM series: places, values and sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import trifuse
from trifuse import Image, io
from trifuse.core.errors import InputError, OptionError

AFFINE = np.array([[-1.5, 0, 0, 20], [0, 2, 0, -30], [0, 0, 4, -15], [0, 0, 0, 1]])


def volume(channels: int = 1) -> Image:
    """Dim, with one bright voxel."""
    pixels = np.full((channels, 12, 10, 5), 0.2, np.float32)
    pixels[:, 3, 7, 2] = 1
    pixels[1:] *= 0.5  # equal channels would be read as grey
    return Image(pixels, affine=AFFINE)


def places(image: Image) -> np.ndarray:
    """Outer corners of a volume and the centre of what is brightest, RAS mm, the corners sorted."""
    n = np.array(image.space)
    corners = [(image.affine @ [*(np.array(c) * n - 0.5), 1])[:3] for c in np.ndindex(2, 2, 2)]
    weight = image.pixels.max(axis=0) > 0.9
    landmark = (image.affine @ [*np.argwhere(weight).mean(axis=0), 1])[:3]
    return np.array([*sorted(map(tuple, np.round(corners, 3))), landmark])


@pytest.mark.parametrize("name", ["x.nii.gz", "x.dcm", "series"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2])
def test_corners_and_landmark_stay_in_place(tmp_path: Path, name: str, channels: int, scale: int) -> None:
    source = volume(channels)
    fused = trifuse.fuse([source, source], "mean", scale=scale).image
    nearest = fused.with_pixels(source.pixels.repeat(scale, 1).repeat(scale, 2).repeat(fused.space[2] // 5, 3))
    back = io.read(io.write(nearest, tmp_path / name))
    assert np.allclose(places(back), places(source), atol=2e-3)
    assert back.channels == channels


def test_a_series_is_one_study_of_many_objects_without_patient(tmp_path: Path) -> None:
    folder = io.write(volume(), tmp_path / "out", provenance={"method": "mean"})
    files = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    assert len(files) == 5
    assert len({file.SOPInstanceUID for file in files}) == 5
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({file[keyword].value for file in files}) == 1
    assert all(str(file.PatientName) == "" and file.PatientIdentityRemoved == "YES" for file in files)
    assert (tmp_path / "out.json").is_file()


def test_a_series_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        io.write(volume(), tmp_path / "new" / "out", keep_patient=tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_needs_a_suffix(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.dcm"):
        io.write(Image(np.zeros((1, 4, 4), np.float32)), tmp_path / "out")
