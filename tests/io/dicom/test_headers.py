"""Headers that scanners and archives wrote wrong: mended where they tell how, refused by the attribute where not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from tests.io.dicom.situations import expected, series
from tests.io.makers import dicom_slice, save_series
from trifuse import io
from trifuse.core.errors import InputError, UnitsError

GREY = np.random.default_rng(3).integers(0, 3000, (12, 16)).astype(np.uint16)
VOLUME = np.random.default_rng(7).integers(-1000, 2000, (5, 6, 7)).astype(np.int16)


def saved(folder: Path, stored: np.ndarray = GREY, **attributes: Any) -> Path:
    """One slice with other attributes; None takes one away."""
    made = dicom_slice(stored)
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    path = folder / "one.dcm"
    made.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"ImagePositionPatient": [1, 2]}, r"its ImagePositionPatient is 1\\2, where 3 numbers are needed"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1]}, "ImageOrientationPatient is .* where 6 numbers are needed"),
        ({"ImageOrientationPatient": [0] * 6}, "holds no directions"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.342, 0.94, 0]}, "rows and columns stand at 70.0 degrees"),
        ({"PixelSpacing": [2]}, "its PixelSpacing is 2, where 2 numbers are needed"),
        ({"PixelSpacing": [0, 0]}, r"its PixelSpacing 0\\0 is no distance"),
        ({"PixelSpacing": [-1, 1]}, r"its PixelSpacing -1\\1 is no distance"),
        ({"BitsAllocated": 12}, "pixels of 12 bits"),
        ({"RescaleSlope": 0}, "RescaleSlope is 0, which would make all values alike"),
        ({"RescaleSlope": "inf"}, "RescaleSlope inf"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(tmp_path: Path, attributes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        io.read(saved(tmp_path, **attributes))
    assert "\n" not in str(refusal.value)
    assert "one.dcm" in str(refusal.value)


def test_a_picture_without_place_needs_no_spacing(tmp_path: Path) -> None:
    image = io.read(saved(tmp_path, PixelSpacing=[0, 0], ImagePositionPatient=None, ImageOrientationPatient=None))
    assert image.spacing == (1.0, 1.0)


def test_a_slope_of_0_is_no_harm_to_an_empty_slice(tmp_path: Path) -> None:
    image = io.read(saved(tmp_path, np.zeros((12, 16), np.int16), RescaleSlope=0, Modality="PT"))
    assert (image.native() == 0).all()


def test_a_window_that_is_none_is_not_used(tmp_path: Path) -> None:
    made = dicom_slice(GREY.astype(np.int16))
    made.add_new("WindowCenter", "LO", "abc")
    made.add_new("WindowWidth", "LO", "400")
    made.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    image = io.read(tmp_path / "one.dcm")
    assert "the window in its header is none: not used" in image.notes
    assert np.array_equal(image.native()[0], GREY)


def test_rounded_cosines_are_made_straight(tmp_path: Path) -> None:
    """With two digits 0.7071 is 0.71: taken as it is, pixels of 2 mm would be 2.008 mm wide."""
    rounded, normal = (0.71, 0.71, 0, 0, 0, -1), np.array([-1, 1, 0]) / np.sqrt(2)
    for index in range(4):
        made = dicom_slice(GREY.astype(np.int16), position=tuple(4 * index * normal), cosines=rounded)
        made.save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    image = io.read(tmp_path)
    assert image.spacing == pytest.approx((2, 3, 4), abs=1e-4)
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-4)
    assert any("direction cosines were rounded" in note for note in image.notes)
    assert pydicom.dcmread(tmp_path / "0.dcm").ImageOrientationPatient == list(rounded)
    one = io.read(tmp_path / "0.dcm")
    assert one.spacing == pytest.approx((3, 2), abs=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_values_above_the_lowest_bits_are_brought_down(tmp_path: Path, signed: bool) -> None:
    values = (GREY.astype(np.int16) - 1500) if signed else GREY
    layout = {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": int(signed)}
    image = io.read(saved(tmp_path, values << 4, **layout))
    assert np.array_equal(image.native()[0], values)
    wrong = io.read(saved(tmp_path, GREY, BitsStored=12, HighBit=15, PixelRepresentation=0))
    assert np.array_equal(wrong.native()[0], GREY), "only HighBit is wrong: the values lie low"


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.102", "MPEG-4"),
        ("1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.110"),
        ("1.2.840.113619.5.2", "1.2.840.113619.5.2"),
    ],
)
def test_compressions_that_are_not_known_are_named(tmp_path: Path, syntax: str, name: str) -> None:
    """A film of three frames lies in one piece, which is not damaged for that."""
    made = dicom_slice(GREY, NumberOfFrames=3)
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    made.PixelData = encapsulate([b"\0\0\0\x18ftyp" + bytes(90)])
    made["PixelData"].VR = "OB"
    made.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    content = (tmp_path / "film.dcm").read_bytes()
    (tmp_path / "film.dcm").write_bytes(content.replace(b"1.2.840.10008.1.2.4.102", syntax.encode().ljust(23, b"\0")))
    with pytest.raises(InputError, match=f"compressed as {name}.*cannot be decoded here"):
        io.read(tmp_path / "film.dcm", frame=0)


def test_a_picture_of_the_screen_among_slices_is_left_out(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    picture = dicom_slice(np.zeros((40, 50), np.uint8), InstanceNumber=99)
    picture.SOPClassUID = picture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    del picture.ImagePositionPatient, picture.ImageOrientationPatient
    picture.SOPInstanceUID = generate_uid()
    picture.save_as(tmp_path / "screen.dcm", enforce_file_format=True)
    image = io.read(tmp_path)
    assert np.array_equal(image.native()[0], VOLUME)
    assert "1 pictures of a screen left out" in image.notes
    assert io.read(tmp_path / "screen.dcm").space == (40, 50)


def test_a_dose_of_radiotherapy_lies_where_its_offsets_say(tmp_path: Path) -> None:
    values = np.stack([GREY + 10 * k for k in range(3)])
    made = dicom_slice(GREY, position=(5, 6, 7), Modality="RTDOSE", NumberOfFrames=3, DoseGridScaling=0.002)
    made.GridFrameOffsetVector, made.DoseUnits = [0, 2.5, 5], "GY"
    del made.RescaleSlope, made.RescaleIntercept
    made.PixelData = values.astype("<u2").tobytes()
    made.save_as(tmp_path / "dose.dcm", enforce_file_format=True)
    image = io.read(tmp_path / "dose.dcm")
    assert image.native()[0] == pytest.approx(0.002 * values.transpose(2, 1, 0))
    assert image.units == "Gy"
    assert image.affine[:3, 3] == pytest.approx([-5, -6, 7])
    assert image.spacing == pytest.approx((2, 3, 2.5))


def nuclide(meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", meaning
    return code


@pytest.mark.parametrize("meaning", ["^18^Fluorine", "F-18", "18F", "Fluorine-18", "^18^F"])
def test_a_half_life_of_another_nuclide_is_refused(tmp_path: Path, meaning: str) -> None:
    """20.4 minutes are carbon's: SUV would be five times too large."""
    coded = {"dose_RadionuclideCodeSequence": [nuclide(meaning)]}
    assert io.read(series(tmp_path / "right", **coded), units="suv").native()[0] == pytest.approx(expected(3600))
    wrong = series(tmp_path / "wrong", dose_RadionuclideHalfLife=1224, **coded)
    with pytest.raises(UnitsError, match=r"half-life of 1224 s .* nuclide F-18 is 6586\.2 s"):
        io.read(wrong, units="suv")


def test_the_tracers_name_tells_the_nuclide_too(tmp_path: Path) -> None:
    tracer = {"dose_Radiopharmaceutical": "Fluorodeoxyglucose F^18^", "dose_RadionuclideHalfLife": 109.77 * 60}
    assert io.read(series(tmp_path / "a", **tracer), units="suv").units == "SUV"
    with pytest.raises(UnitsError, match="nuclide F-18"):
        io.read(series(tmp_path / "b", **(tracer | {"dose_RadionuclideHalfLife": 4070})), units="suv")
    with pytest.raises(UnitsError, match="RadionuclideHalfLife"):
        io.read(series(tmp_path / "c", **(tracer | {"dose_RadionuclideHalfLife": None})), units="suv")


@pytest.mark.parametrize(
    ("kilograms", "dose", "taken"),
    [(70, 3.7e5, False), (0.07, 3.7e8, False), (0.025, 5e6, True), (70, 2.5e7, True), (70, 1.5e9, True)],
)
def test_a_dose_that_nobody_is_given_is_refused(tmp_path: Path, kilograms: float, dose: float, taken: bool) -> None:
    """kBq for Bq make SUV a thousand times too large; mice and scanners of the whole body are no mistake."""
    folder = series(tmp_path, PatientWeight=kilograms, dose_RadionuclideTotalDose=dose)
    if taken:
        assert io.read(folder, units="suv").units == "SUV"
        return
    with pytest.raises(UnitsError, match=re.escape(f"a dose of {dose:g} Bq in {kilograms:g} kg is none")):
        io.read(folder, units="suv")


def one_slice_without(folder: Path, name: str) -> Path:
    """Takes an attribute from the third file of a series, and says which file that is."""
    path = sorted(folder.iterdir())[2]
    lost = pydicom.dcmread(path)
    delattr(lost, name)
    lost.save_as(path)
    return path


def test_a_slice_that_names_no_frame_of_reference_belongs_to_the_others(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    one_slice_without(tmp_path, "FrameOfReferenceUID")
    image = io.read(tmp_path)
    assert np.array_equal(image.native()[0], VOLUME)
    assert any("1 of 7 frames name no frame of reference" in note for note in image.notes)


def test_the_slice_without_spacing_is_named(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    path = one_slice_without(tmp_path, "PixelSpacing")
    with pytest.raises(InputError, match=f"7 DICOM images of which 1 .such as {path.name}. lack PixelSpacing"):
        io.read(tmp_path)


MAKERS = {
    "Siemens": (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", lambda b: b),
    "GE": (0x0043, "GEMS_PARM_01", 0x39, "IS", lambda b: [1_000_000_000 + b, 8, 0, 0]),
    "Philips": (0x2001, "Philips Imaging DD 001", 0x03, "FL", float),
}


def diffusion(folder: Path, maker: str, strengths: list[int], *, own_times: bool) -> Path:
    """A series with a volume of four slices for each b-value, kept where the maker does."""
    group, creator, element, kind, written = MAKERS[maker]
    for turn, strength in enumerate(strengths):
        for index in range(4):
            made = dicom_slice(np.full((6, 5), 10 * turn + index, np.int16), position=(0, 0, 4 * index), Modality="MR")
            made.AcquisitionTime = f"12{turn:02d}{5 * index if own_times else 0:02d}"
            made.private_block(group, creator, create=True).add_new(element, kind, written(strength))
            made.save_as(folder / f"{turn}-{index}.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize("own_times", [False, True])
@pytest.mark.parametrize("maker", MAKERS)
def test_b_values_of_the_makers_are_no_time_frames(tmp_path: Path, maker: str, own_times: bool) -> None:
    folder = diffusion(tmp_path, maker, [0, 500, 1000], own_times=own_times)
    with pytest.raises(InputError, match=r"3 b-values .b 0, b 500, b 1000.*--frame 0 to 2 .frame="):
        io.read(folder)
    with pytest.raises(InputError, match=r"the mean of 3 b-values .* is no image"):
        io.read(folder, frame="mean")
    assert (io.read(folder, frame=2).native()[0, 0, 0] == [20, 21, 22, 23]).all()


@pytest.mark.parametrize("own_times", [False, True])
def test_directions_of_diffusion_are_not_averaged_with_what_has_none(tmp_path: Path, own_times: bool) -> None:
    folder = diffusion(tmp_path, "Siemens", [0, 1000, 1000, 1000], own_times=own_times)
    with pytest.raises(InputError, match=r"the mean of 4 .* is no image"):
        io.read(folder, frame="mean")
    assert (io.read(folder, frame=3).native()[0, 0, 0] == [30, 31, 32, 33]).all()
