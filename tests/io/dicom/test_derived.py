"""Derived objects: new, nameless, in place, and read again by others."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality
from trifuse.io import arrays

RNG = np.random.default_rng(9)
TURNED = np.array([[-2, 0, 0, 50], [0, 1.2, 1.8, -20], [0, 0.9, -2.4, 10], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("space", [(6, 5), (5, 6, 4)])
def test_what_is_written_is_read_again(tmp_path: Path, channels: int, space: tuple[int, ...]) -> None:
    pixels = (RNG.random((channels, *space)) * 0.8 + 0.1).astype(np.float32)
    path = io.write(Image(pixels, affine=TURNED), tmp_path / "fused.dcm")
    image = io.read(path)
    assert image.pixels.shape == pixels.shape
    assert np.abs(image.pixels - pixels).max() < (1 / 65535 if channels == 1 else 0.501 / 255)
    if channels == 1:
        assert np.allclose(image.window, (0, 1))
    dims = len(space)
    assert np.allclose(image.affine[:, [*range(dims), 3]], TURNED[:, [*range(dims), 3]], atol=1e-6)


def test_others_see_it_in_the_same_place(tmp_path: Path) -> None:
    pixels = RNG.random((1, 5, 6, 4)).astype(np.float32)
    path = io.write(Image(pixels, affine=TURNED), tmp_path / "fused.dcm")
    itk = arrays.to_image(SimpleITK.ReadImage(path))
    assert np.allclose(itk.affine, TURNED, atol=1e-6)
    assert np.allclose(itk.native(), pixels, atol=1e-4)
    volume = highdicom.imread(path).get_volume()
    for index in ((0, 0, 0), (3, 5, 4)):
        place = np.diag([-1, -1, 1, 1]) @ volume.affine @ [*index, 1]
        voxel = np.rint(np.linalg.solve(TURNED, place))[:3].astype(int)
        assert abs(volume.array[index] - pixels[0][tuple(voxel)]) < 1e-4


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.uint8])
def test_native_integers_are_exact(tmp_path: Path, kind: type) -> None:
    values = RNG.integers(0 if kind in (np.uint16, np.uint8) else -1000, 250, (1, 5, 6, 4)).astype(kind)
    image = Image.from_native(values, affine=TURNED, modality=Modality.CT, window=(-160, 240))
    again = io.read(io.write(image, tmp_path / "a.dcm"))
    assert np.array_equal(again.native(), values)
    assert again.modality is Modality.CT
    assert again.window == (-160, 240)


def test_native_floats_are_kept_to_16_bits(tmp_path: Path) -> None:
    values = RNG.random((1, 5, 6, 4)) * 25
    again = io.read(io.write(Image.from_native(values, affine=TURNED, modality=Modality.PET), tmp_path / "a.dcm"))
    assert np.abs(again.native() - values).max() < 25 / 65535
    assert again.modality is Modality.PET


def test_a_reversed_window_stays_reversed(tmp_path: Path) -> None:
    values = RNG.integers(0, 4000, (1, 6, 5)).astype(np.uint16)
    image = Image.from_native(values, window=(4095, 0))
    again = io.read(io.write(image, tmp_path / "a.dcm"))
    assert np.array_equal(again.native(), values)
    assert again.window == (4095, 0)
    assert np.allclose(again.pixels, image.pixels, atol=1e-6)


def test_nothing_of_the_patient_is_kept_unless_asked(tmp_path: Path) -> None:
    source = tmp_path / "source" / "slice.dcm"
    source.parent.mkdir()
    made = dicom_slice(RNG.integers(-1000, 900, (6, 5)).astype(np.int16))
    made.PatientBirthDate, made.StudyDate = "19500101", "20200202"
    made.save_as(source, enforce_file_format=True)
    image = io.read(source)
    blank = pydicom.dcmread(io.write(image, tmp_path / "blank.dcm"))
    content = (tmp_path / "blank.dcm").read_bytes()
    for word in (b"Somebody", b"P-77", b"19500101", b"20200202"):
        assert word not in content
    assert blank.PatientIdentityRemoved == "YES"
    assert blank.StudyInstanceUID != made.StudyInstanceUID
    assert blank.FrameOfReferenceUID != made.FrameOfReferenceUID
    for origin in (source, source.parent):
        kept = pydicom.dcmread(io.write(image, tmp_path / "kept.dcm", keep_patient=origin))
        assert kept.PatientName == made.PatientName
        assert kept.PatientBirthDate == made.PatientBirthDate
        assert kept.StudyInstanceUID == made.StudyInstanceUID
        assert kept.FrameOfReferenceUID == made.FrameOfReferenceUID
        assert kept.SeriesInstanceUID != made.SeriesInstanceUID
        assert kept.SOPInstanceUID not in (made.SOPInstanceUID, blank.SOPInstanceUID)


def test_it_says_that_it_is_derived(tmp_path: Path) -> None:
    made = pydicom.dcmread(io.write(Image(np.zeros((1, 5, 6, 4), np.float32)), tmp_path / "a.dcm"))
    assert made.ImageType[0] == "DERIVED"
    assert made.Manufacturer == "trifuse"
    assert made.NumberOfFrames == 4


def test_a_patient_that_is_not_there_and_a_sheared_grid_are_refused(tmp_path: Path) -> None:
    image = Image(np.zeros((1, 5, 6, 4), np.float32))
    (tmp_path / "notes.txt").write_text("no DICOM")
    for absent in (tmp_path, tmp_path / "notes.txt", tmp_path / "absent.dcm"):
        with pytest.raises(InputError, match="patient"):
            io.write(image, tmp_path / "out" / "a.dcm", keep_patient=absent)
    for column in (1, 2):
        sheared = np.eye(4)
        sheared[0, column] = 0.5
        with pytest.raises(InputError, match="sheared"):
            io.write(Image(image.pixels, affine=sheared), tmp_path / "out" / "a.dcm")
    assert not (tmp_path / "out").exists()
