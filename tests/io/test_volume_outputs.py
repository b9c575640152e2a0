"""Volumes written as DICOM series and as animations: places, values and sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow

import trifuse
from trifuse import Image, io
from trifuse.core.errors import InputError, OptionError
from trifuse.report.cine import write_cine

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


@pytest.mark.parametrize("suffix", [".gif", ".apng"])
def test_a_cine_shows_every_slice_in_true_proportions(tmp_path: Path, suffix: str) -> None:
    target = write_cine(volume(3), tmp_path / f"cine{suffix}")
    with Pillow.open(target) as film:
        assert film.size == (12, round(10 * 2 / 1.5))  # columns across the patient, rows from front to back
        assert film.n_frames >= 3  # equal frames in a row may be merged
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("L")))
    brightest = max(frames, key=np.max)
    row, column = np.unravel_index(brightest.argmax(), brightest.shape)
    assert column == 3  # the first axis runs to the patient's left, which is on the right
    assert row < 5  # the second runs to the front, which is up


def test_pictures_and_other_suffixes_have_no_cine(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cine"):
        write_cine(volume(), tmp_path / "cine.mp4")
    with pytest.raises(InputError, match="volumes"):
        write_cine(Image(np.zeros((1, 4, 4), np.float32)), tmp_path / "cine.gif")
