"""Standardised uptake values: by the formula where the header allows it, refused with the reason where not."""

from __future__ import annotations

from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.io.dicom import situations
from tests.io.dicom.situations import (
    ACTIVITY,
    DOC,
    KG,
    SITUATIONS,
    SLOPES,
    Situation,
    expected,
    pet,
    series,
)
from tests.io.makers import dicom_slice
from trifuse import fuse, io
from trifuse.core.errors import InputError, OptionError, UnitsError
from trifuse.core.image import Modality


@pytest.mark.parametrize(
    ("changes", "waited"),
    [
        ({}, 3600),
        ({"DecayCorrection": "ADMIN"}, 0),
        ({"dose_RadiopharmaceuticalStartTime": "233000"}, 12 * 3600),  # the evening before
        (
            {"dose_RadiopharmaceuticalStartDateTime": "20200228233000", "dose_RadiopharmaceuticalStartTime": None},
            12 * 3600,
        ),
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
    assert low + image.pixels[0] * (high - low) == pytest.approx(image.native()[0].clip(low, high), rel=1e-5, abs=1e-5)
    assert image.units == "SUV"
    assert any("SUVbw" in note for note in image.notes)
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
        ({"dose_RadiopharmaceuticalStartDateTime": "20200301103000"}, ""),  # the day after the scan: the time is used
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


@pytest.mark.parametrize("case", SITUATIONS, ids=lambda case: case.what)
def test_situations_of_scanners_and_archives(tmp_path: Path, case: Situation) -> None:
    folder = series(tmp_path, **case.changes)
    if case.wait is None:
        with pytest.raises(UnitsError) as refusal:
            io.read(folder, units="suv")
        assert case.says in str(refusal.value)
        assert "\n" not in str(refusal.value)
        return
    image = io.read(folder, units="suv")
    assert image.native()[0] == pytest.approx(case.factor * expected(60 * case.wait, case.half_life), rel=1e-5)
    assert case.says in image.notes[-1]
    assert "SUVbw" in image.notes[-1]
    assert "2020" not in image.notes[-1]  # dates are the patient's secret


def test_the_page_has_the_table_of_the_situations() -> None:
    assert situations.table() in DOC.read_text(encoding="utf-8")


def enhanced(folder: Path, **changes: object) -> Path:
    """The scan of `pet` as one Enhanced PET object: units and corrections by the attributes of that class."""
    made = pet(0)
    for keyword in ("Units", "DecayCorrection", "CorrectedImage", "RescaleSlope", "RescaleIntercept", "SeriesTime"):
        delattr(made, keyword)
    del made.ImagePositionPatient, made.ImageOrientationPatient, made.PixelSpacing
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.130"
    made.NumberOfFrames = 3
    made.PixelData = np.ascontiguousarray(ACTIVITY.transpose(2, 1, 0)).tobytes()
    made.DecayCorrected = made.AttenuationCorrected = "YES"
    made.DecayCorrectionDateTime, made.AcquisitionDateTime = "20200229113000", "20200229114500"
    shared = Dataset()
    shared.PlaneOrientationSequence = highdicom.PlaneOrientationSequence("PATIENT", (1, 0, 0, 0, 1, 0))
    shared.PixelMeasuresSequence = highdicom.PixelMeasuresSequence((3, 2), 4)
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for number in range(3):
        group, line, unit = Dataset(), Dataset(), Dataset()
        group.PlanePositionSequence = highdicom.PlanePositionSequence("PATIENT", (0, 0, 4 * number))
        line.RealWorldValueSlope, line.RealWorldValueIntercept = SLOPES[number], 0.0
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "Bq/ml", "UCUM", "Becquerels/milliliter"
        line.MeasurementUnitsCodeSequence = [unit]
        group.RealWorldValueMappingSequence = [line]
        made.PerFrameFunctionalGroupsSequence.append(group)
    for keyword, value in changes.items():
        if keyword == "unit":
            for group in made.PerFrameFunctionalGroupsSequence:
                group.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = value
        else:
            setattr(made, keyword, value)
    made.save_as(folder / "pet.dcm", enforce_file_format=True)
    return folder / "pet.dcm"


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({}, 1),
        ({"unit": "kBq/ml"}, 1000),
        ({"unit": "{SUVbw}g/ml"}, None),
        ({"TimezoneOffsetFromUTC": "-0500"}, 1),
        ({"DecayCorrected": "NO"}, "not corrected for decay"),
        ({"AttenuationCorrected": "NO"}, "attenuation"),
        ({"DecayCorrectionDateTime": None}, "to what time"),
        ({"unit": "{propcounts}/s"}, "units are PROPCPS"),
    ],
)
def test_enhanced_pet_by_its_real_world_values(tmp_path: Path, changes: dict[str, object], factor: object) -> None:
    path = enhanced(tmp_path, **changes)
    assert io.read(path).native()[0] == pytest.approx(ACTIVITY * np.array(SLOPES))
    if isinstance(factor, str):
        with pytest.raises(UnitsError, match=factor):
            io.read(path, units="suv")
        return
    image = io.read(path, units="suv")
    right = ACTIVITY * np.array(SLOPES) if factor is None else expected(3600) * factor
    assert image.native()[0] == pytest.approx(right, rel=1e-9)
    if factor is not None:
        assert "DecayCorrectionDateTime 11:30:00" in image.notes[-1]


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
    assert activity.window == (0, 6)


def test_a_fused_suv_says_what_it_rests_on_though_it_is_laid_over_in_colour(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    for index in range(3):
        made = dicom_slice(ACTIVITY[:, :, index].T, position=(0, 0, 4.0 * index))
        made.save_as(tmp_path / "ct" / f"{index}.dcm", enforce_file_format=True)
    images = [io.read(tmp_path / "ct"), io.read(series(tmp_path / "pet"), units="suv")]
    for sources, number in ((images, 2), (images[::-1], 1)):
        notes = fuse(sources, "mean").provenance["notes"]
        told = [note for note in notes if note.startswith(f"source {number}: ") and "SUVbw" in note]
        assert len(told) == 1
        assert "SeriesTime 11:30:00 - RadiopharmaceuticalStartTime 10:30:00 = 60.0 min" in told[0]


NONE = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "ActualFrameDuration": 120000}


def test_what_the_scanner_left_uncorrected_for_decay_is_corrected_slice_by_slice(tmp_path: Path) -> None:
    """Against the activity that decayed while each slice was measured, added up in steps of 10 ms."""
    image = io.read(series(tmp_path, **NONE), units="suv")
    injected, steps = 10.5 * 3600, np.arange(0, 120, 0.01) + 0.005
    for index in range(3):  # the slices were measured one after the other, two minutes each, from 11:30 on
        since = 11.5 * 3600 + 120 * index + steps - injected
        left = np.mean(2 ** (-since / situations.HALF_LIFE))
        true = ACTIVITY[..., index] * SLOPES[index] / left * KG * 1000 / situations.DOSE
        assert image.native()[0, ..., index] == pytest.approx(true, rel=1e-5)
    assert "each slice here, from the time and length of its acquisition" in image.notes[-1]
    native = io.read(tmp_path).native()[0]
    assert np.array_equal(native, ACTIVITY * np.array(SLOPES)), "native values stay as they are"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ActualFrameDuration": None}, "for how long each slice was measured"),
        ({"AcquisitionTime": None}, "for how long each slice was measured"),
        ({"DecayFactor": 1.2}, "by how much it is"),
        ({"CorrectedImage": []}, None),
        ({"CorrectedImage": ["DECY", "ATTN"]}, "not corrected for decay, or does not say"),
        ({"CorrectedImage": ["NORM"]}, "attenuation"),
    ],
)
def test_uncorrected_values_without_times_are_refused(
    tmp_path: Path, changes: dict[str, object], reason: str | None
) -> None:
    folder = series(tmp_path, **(NONE | changes))
    if reason is None:
        assert io.read(folder, units="suv").units == "SUV"
        return
    with pytest.raises(UnitsError, match=reason):
        io.read(folder, units="suv")
