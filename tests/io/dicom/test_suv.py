"""Standardised uptake values: by the formula where the header allows it, refused with the reason where not."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.errors import InputError, OptionError
from trifuse.image import Modality

ACTIVITY = np.random.default_rng(4).integers(0, 30000, (5, 6, 3)).astype(np.int16)
SLOPES = (0.5, 1.5, 2.5)
HALF_LIFE = 6586.2
DOSE = 3.7e8
KG = 70.0


def pet(index: int, **changes: object) -> FileDataset:
    """Slice of a PET whose scan started an hour after the injection; `dose_` attributes go to the tracer."""
    made = dicom_slice(ACTIVITY[:, :, index].T, position=(0, 0, 4.0 * index), Modality="PT")
    made.RescaleSlope = SLOPES[index]
    made.Units, made.DecayCorrection, made.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
    made.PatientWeight = KG
    made.SeriesDate = made.AcquisitionDate = "20200229"
    made.SeriesTime, made.AcquisitionTime = "113000.00", f"11{30 + 2 * index}00"
    isotope = Dataset()
    isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = DOSE, HALF_LIFE
    isotope.RadiopharmaceuticalStartTime = "103000"
    made.RadiopharmaceuticalInformationSequence = [isotope]
    for keyword, value in changes.items():
        target = isotope if keyword.startswith("dose_") else made
        setattr(target, keyword.removeprefix("dose_"), value)
    return made


def series(folder: Path, **changes: object) -> Path:
    for index in range(3):
        pet(index, **changes).save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


def expected(waited: float) -> np.ndarray:
    return ACTIVITY * np.array(SLOPES) * KG * 1000 / (DOSE * 2 ** (-waited / HALF_LIFE))


@pytest.mark.parametrize(
    ("changes", "waited"),
    [
        ({}, 3600),
        ({"DecayCorrection": "ADMIN"}, 0),
        ({"dose_RadiopharmaceuticalStartTime": "233000"}, 12 * 3600),  # the evening before
        ({"dose_RadiopharmaceuticalStartDateTime": "20200228113000.00+0100"}, 24 * 3600),
        ({"SeriesTime": "150000"}, 3600),  # when it was processed: the first acquisition counts
        ({"SeriesTime": "112500.5"}, 3300.5),
    ],
)
def test_decay_is_reckoned_to_the_time_that_the_header_names(
    tmp_path: Path, changes: dict[str, object], waited: float
) -> None:
    image = io.read(series(tmp_path, **changes), units="suv")
    assert image.native()[0] == pytest.approx(expected(waited), rel=1e-9)
    low, high = image.window
    assert low + image.pixels[0] * (high - low) == pytest.approx(image.native()[0], rel=1e-5, abs=1e-5)
    assert "SUVbw" in image.notes[-1]
    assert str(KG) not in image.notes[-1]  # no patient data


def test_native_units_are_kept_unless_asked(tmp_path: Path) -> None:
    assert np.array_equal(io.read(series(tmp_path)).native()[0], ACTIVITY * np.array(SLOPES))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PatientWeight": None}, r"weight is not in its header \(PatientWeight\)"),
        ({"PatientWeight": 0}, "PatientWeight"),
        ({"DecayCorrection": "NONE"}, "not corrected for decay"),
        ({"CorrectedImage": ["ATTN"]}, "not corrected for decay"),
        ({"CorrectedImage": ["DECY"]}, "attenuation"),
        ({"Units": "CNTS"}, "counts"),
        ({"Units": "PROPCPS"}, "units are PROPCPS"),
        ({"Units": None}, "names no units"),
        ({"Units": "GML", "SUVType": "LBM"}, "LBM"),
        ({"RadiopharmaceuticalInformationSequence": []}, "injected tracer"),
        ({"dose_RadionuclideTotalDose": None}, "RadionuclideTotalDose"),
        ({"dose_RadionuclideTotalDose": 370}, "MBq"),
        ({"dose_RadionuclideHalfLife": None}, "RadionuclideHalfLife"),
        ({"dose_RadiopharmaceuticalStartTime": None}, "time of injection"),
        ({"dose_RadiopharmaceuticalStartDateTime": "20210229103000"}, ""),  # no such day: the time is used
        ({"dose_RadiopharmaceuticalStartDateTime": "20200301103000"}, "hours apart"),
        ({"SeriesTime": None, "AcquisitionTime": None}, "start of the scan"),
    ],
)
def test_a_header_that_does_not_allow_it_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    folder = series(tmp_path, **changes)
    if not reason:
        assert io.read(folder, units="suv").native()[0] == pytest.approx(expected(3600))
        return
    with pytest.raises(InputError, match=reason) as error:
        io.read(folder, units="suv")
    assert "\n" not in str(error.value)
    assert io.read(folder).modality is Modality.PET


def test_counts_with_the_makers_factor(tmp_path: Path) -> None:
    for index in range(3):
        made = pet(index, Units="CNTS")
        made.add_new(0x70530010, "LO", "Philips PET Private Group")
        made.add_new(0x70531000, "DS", "0.00025")
        made.save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    image = io.read(tmp_path, units="suv")
    assert image.native()[0] == pytest.approx(ACTIVITY * np.array(SLOPES) * 0.00025)


def test_other_modalities_are_left_alone_and_nifti_pet_is_refused(tmp_path: Path) -> None:
    for index in range(3):
        pet(index, Modality="MR").save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    assert np.array_equal(io.read(tmp_path, units="suv").native()[0], ACTIVITY * np.array(SLOPES))
    for name in ("t1.nii", "pet.nii"):
        nib.Nifti1Image(ACTIVITY, np.eye(4)).to_filename(tmp_path / name)
    assert io.read(tmp_path / "t1.nii", units="suv").space == (5, 6, 3)
    with pytest.raises(InputError, match="neither dose nor weight"):
        io.read(tmp_path / "pet.nii", units="suv")
    with pytest.raises(OptionError, match="units='lbm'"):
        io.read(tmp_path / "t1.nii", units="lbm")  # type: ignore[arg-type]


def test_a_real_scan_becomes_its_published_suv(data: Path) -> None:
    folder = data / "dicom" / "sts-001"
    activity, suv = io.read(folder / "pet_bqml", units="suv"), io.read(folder / "pet_suv", units="suv")
    offset = np.rint(np.linalg.solve(activity.affine, suv.affine[:, 3])[:3]).astype(int)
    assert offset.tolist() == [59, 45, 0]
    crop = tuple(slice(o, o + n) for o, n in zip(offset, suv.space, strict=True))
    ours, published = activity.native()[0][crop], suv.native()[0]
    assert np.abs(ours - published).max() < 1e-3  # the publishers cut to 16 bits, slice by slice
    hot = published > 0.5
    assert np.median(np.abs(ours - published)[hot] / published[hot]) < 4e-4
    assert activity.window[1] == pytest.approx(activity.native().max())
