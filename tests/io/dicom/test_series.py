"""Folders of slices: sorted by place, never stacked on a guess."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.io.makers import dicom_slice, save_series
from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Modality

RNG = np.random.default_rng(7)
VOLUME = RNG.integers(-1000, 2000, (5, 6, 7)).astype(np.int16)  # columns, rows, slices


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal", "oblique"])
def test_slices_are_sorted_by_place_whatever_their_names(tmp_path: Path, plane: str) -> None:
    affine = save_series(tmp_path / "s", VOLUME, plane=plane)
    image = io.read(tmp_path / "s")
    assert np.array_equal(image.native()[0], VOLUME)
    assert image.native().dtype == np.int16
    assert np.allclose(image.affine, affine)
    assert image.modality is Modality.CT
    assert image.window == (-200, 800)
    assert image.frame_of_reference == "1.2.5"


def test_rescaling_differs_from_slice_to_slice(tmp_path: Path) -> None:
    for index, slope in enumerate((0.5, 0.25, 3.0)):
        made = dicom_slice(VOLUME[:, :, index].T, position=(0, 0, 4 * index), Modality="PT")
        made.RescaleSlope, made.RescaleIntercept = slope, -7
        made.save_as(tmp_path / f"{index}", enforce_file_format=True)
    image = io.read(tmp_path)
    assert image.native().dtype == np.float64
    assert np.array_equal(image.native()[0], VOLUME[:, :, :3] * np.array([0.5, 0.25, 3.0]) - 7)
    assert image.modality is Modality.PET
    assert image.window == (image.native().min(), image.native().max())


def test_files_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    (tmp_path / "README.txt").write_text("read me")
    (tmp_path / ".DS_Store").write_bytes(b"\0\1")
    report = dicom_slice(VOLUME[:, :, 0].T, series="1.9")
    del report.PixelData, report.Rows, report.Columns
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert io.read(tmp_path).space == VOLUME.shape


def test_a_damaged_slice_is_named(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    (tmp_path / "003.dcm").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"003\.dcm"):
        io.read(tmp_path)
    save_series(tmp_path, VOLUME)
    content = (tmp_path / "003.dcm").read_bytes()
    (tmp_path / "003.dcm").write_bytes(content[:-30])
    with pytest.raises(InputError, match=r"003\.dcm"):
        io.read(tmp_path)


def test_a_missing_slice_is_a_gap(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    positions = sorted(tmp_path.iterdir(), key=lambda p: io.read(p).affine[2, 3])
    positions[3].unlink()
    with pytest.raises(InputError, match=r"4\.00 to 8\.00 mm"):
        io.read(tmp_path)


def tilted(folder: Path, degrees: float, *, turned: bool) -> None:
    """Slices whose values are a linear function of the place, askew by so many degrees.

    As GE has them, with the gantry turned and slices along the table, or upright ones whose positions run askew.
    """
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    cosines = np.array([1, 0, 0, 0, cosine, sine] if turned else [1, 0, 0, 0, 1, 0])
    step = np.array([0, 0, 4.0]) if turned else np.array([0, 4 * sine / cosine, 4.0])
    columns, rows = np.meshgrid(np.arange(16), np.arange(14))
    for index in range(5):
        place = np.array([5.0, -8, 30]) + index * step
        points = place + 2 * columns[..., None] * cosines[:3] + 3 * rows[..., None] * cosines[3:]
        values = np.rint(points @ [20.0, -30, 50]).astype(np.int16)
        made = dicom_slice(values, position=tuple(place), cosines=tuple(cosines), InstanceNumber=index + 1)
        made.save_as(folder / f"{index}.dcm", enforce_file_format=True)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("degrees", [15, -22])
def test_gantry_tilt_is_straightened_and_told(tmp_path: Path, degrees: float, turned: bool) -> None:
    tilted(tmp_path, degrees, turned=turned)
    image = io.read(tmp_path)
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6), "an upright grid, as NIfTI and DICOM can hold it"
    (note,) = [text for text in image.notes if "gantry tilt" in text]
    assert f"{abs(degrees)}.0 degrees" in note
    found = image.native()[0]
    indices = np.argwhere(np.ones(found.shape, bool))
    ras = indices @ image.affine[:3, :3].T + image.affine[:3, 3]
    expected = (ras @ [-20.0, 30, 50]).reshape(found.shape)  # RAS: x and y have the other sign
    step = 4 * abs(np.tan(np.radians(degrees))) if not turned else 4 * abs(np.sin(np.radians(degrees)))
    grown = int(np.ceil(4 * step / 3))
    assert found.shape == (16, 14 + grown, 5)
    for index in range(5):
        inside = np.abs(found[:, :, index] - expected[:, :, index]) < 1.5
        assert inside[:, 1:-1].sum(axis=1).min() >= 12, "every row that a slice shows lies at its place"
    assert (found == found.min()).sum() >= 5, "what no slice shows is as dark as the darkest"
    assert any("padding" in text for text in image.notes)


def test_slices_along_their_own_plane_are_no_volume(tmp_path: Path) -> None:
    tilted(tmp_path, 60, turned=False)
    with pytest.raises(InputError, match=r"60\.0 degrees to their normal, which no gantry tilts by"):
        io.read(tmp_path)


def test_a_copy_of_a_file_counts_once(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    shutil.copy(tmp_path / "002.dcm", tmp_path / "002 (1).dcm")
    image = io.read(tmp_path)
    assert np.array_equal(image.native()[0], VOLUME)
    assert image.notes == ("1 copies of files left out (same SOPInstanceUID)",)
    other = pydicom.dcmread(tmp_path / "002 (1).dcm")
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "002 (1).dcm")
    with pytest.raises(InputError, match="other pixels"):
        io.read(tmp_path)


def test_two_slices_in_one_place_are_refused(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    again = pydicom.dcmread(tmp_path / "002.dcm")
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = "1.2.99"
    again.save_as(tmp_path / "again.dcm")
    with pytest.raises(InputError, match="2 slices lie at the same place"):
        io.read(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"SeriesInstanceUID": "1.2.9", "SeriesNumber": 8}, r"CT series 7 \(7 files\), CT series 8 \(1 files\)"),
        ({"FrameOfReferenceUID": "1.2.9"}, "frames of reference"),
        ({"PixelSpacing": [3, 2.5]}, "pixel spacings"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not parallel"),
        ({"ImagePositionPatient": None}, r"1 .such as odd\.dcm. lack ImagePositionPatient"),
        ({"NumberOfFrames": 2}, "multi-frame"),
    ],
)
def test_mixtures_are_refused(tmp_path: Path, attributes: dict[str, object], word: str) -> None:
    save_series(tmp_path, VOLUME)
    odd = dicom_slice(VOLUME[:, :, 0].T, position=(-40, -30, 48), **attributes)
    odd.PixelData *= attributes.get("NumberOfFrames", 1)
    odd.save_as(tmp_path / "odd.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=word) as error:
        io.read(tmp_path)
    assert "\n" not in str(error.value)


def test_different_sizes_are_refused(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    odd = dicom_slice(VOLUME[:, :4, 0].T, position=(-40, -30, 48))
    odd.save_as(tmp_path / "odd.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="5 x 4 MONOCHROME2, 5 x 6 MONOCHROME2"):
        io.read(tmp_path)


def test_one_slice_in_a_folder_is_that_slice(tmp_path: Path) -> None:
    dicom_slice(VOLUME[:, :, 0].T).save_as(tmp_path / "only.dcm", enforce_file_format=True)
    assert io.read(tmp_path).space == (6, 5)


def test_a_frame_is_no_choice_in_a_folder(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    with pytest.raises(InputError, match="frame="):
        io.read(tmp_path, frame=0)


def test_a_folder_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    with pytest.raises(InputError, match="too large"):
        io.read(tmp_path, limit=8 * VOLUME.size - 1)
    assert io.read(tmp_path, limit=8 * VOLUME.size).space == VOLUME.shape
