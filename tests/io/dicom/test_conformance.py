"""Objects that we write, by the rules of DICOM: dciodvfy (Debian's dicom3tools) finds no error in them."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.io.dicom.situations import pet
from tests.io.makers import dicom_slice
from trifuse import fuse, io
from trifuse.core.image import Image, Modality
from trifuse.io.dicom.derived import kept

RNG = np.random.default_rng(13)
TURNED = np.array([[-2, 0, 0, 50], [0, 1.2, 1.8, -20], [0, 0.9, -2.4, 10], [0, 0, 0, 1.0]])

IMAGES = {
    "a grey slice": Image(RNG.random((1, 6, 5)).astype(np.float32), affine=TURNED),
    "a grey volume": Image(RNG.random((1, 5, 6, 4)).astype(np.float32), affine=TURNED),
    "a colour slice": Image(RNG.random((3, 6, 5)).astype(np.float32), affine=TURNED),
    "a colour volume": Image(RNG.random((3, 5, 6, 4)).astype(np.float32), affine=TURNED),
    "low values bright": Image.from_native(RNG.integers(0, 4000, (1, 5, 6, 4)).astype(np.uint16), window=(4095, 0)),
    "signed integers": Image.from_native(RNG.integers(-900, 900, (1, 5, 6, 4)).astype(np.int16), affine=TURNED),
    "SUV": Image.from_native(RNG.random((1, 5, 6, 4)) * 9, affine=TURNED, modality=Modality.PET, units="SUV"),
    "Bq/ml": Image.from_native(RNG.random((1, 5, 6, 4)) * 9e3, affine=TURNED, modality=Modality.PET, units="Bq/ml"),
    "HU": Image.from_native(
        RNG.integers(-1000, 900, (1, 5, 6, 4)).astype(np.int16),
        affine=TURNED,
        modality=Modality.CT,
        window=(-160, 240),
        units="HU",
    ),
    "a slice in HU": Image.from_native(
        RNG.integers(-1000, 900, (1, 6, 5)).astype(np.int16), affine=TURNED, modality=Modality.CT, units="HU"
    ),
}


def patient(folder: Path, **attributes: object) -> Path:
    """A CT of three slices with a complete patient and study."""
    folder.mkdir()
    for index in range(3):
        made = dicom_slice(RNG.integers(-900, 900, (6, 5)).astype(np.int16), position=(0, 0, 4.0 * index), **attributes)
        made.PatientName, made.PatientBirthDate, made.PatientSex = "Somebody^Real", "19500101", "F"
        made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20200202", "101010", "S1", "A1"
        made.save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


def errors(path: Path) -> list[str]:
    checked = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, timeout=60)
    return [line for line in (checked.stdout + checked.stderr).splitlines() if line.startswith(("Error", "Abort"))]


needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")


@needs_dciodvfy
@pytest.mark.parametrize("what", IMAGES)
@pytest.mark.parametrize("keep", [False, True])
def test_what_is_written_has_no_error(tmp_path: Path, what: str, keep: bool) -> None:
    source = patient(tmp_path / "ct") if keep else None
    lineage = io.read(source).lineage if source else None
    path = io.write(replace(IMAGES[what], lineage=lineage), tmp_path / "a.dcm", keep_patient=source)
    assert errors(path) == []


@needs_dciodvfy
@pytest.mark.parametrize("what", ["a grey volume", "a colour volume", "HU"])
def test_a_series_has_no_error(tmp_path: Path, what: str) -> None:
    source = patient(tmp_path / "ct")
    image = replace(IMAGES[what], lineage=io.read(source).lineage)
    for path in sorted(io.write(image, tmp_path / "s", keep_patient=source).iterdir())[:2]:
        assert errors(path) == []


@pytest.mark.parametrize("what", ["SUV", "Bq/ml", "HU", "a slice in HU"])
def test_values_in_units_are_a_parametric_map_and_come_back(tmp_path: Path, what: str) -> None:
    image = IMAGES[what]
    path = io.write(image, tmp_path / "a.dcm")
    assert pydicom.dcmread(path).SOPClassUID.name == "Parametric Map Storage"
    again = io.read(path)
    assert again.native() == pytest.approx(image.native(), rel=1e-6)
    assert (again.units, again.modality) == (image.units, image.modality)
    assert again.window == pytest.approx(image.window)
    dims = image.dims
    assert np.allclose(again.affine[:, [*range(dims), 3]], TURNED[:, [*range(dims), 3]], atol=1e-6)


def test_a_joined_object_refers_to_all_its_sources(tmp_path: Path) -> None:
    ct = patient(tmp_path / "ct")
    for index in range(3):
        made = pet(index, PatientName="Somebody^Real", StudyInstanceUID="1.2.77", SeriesInstanceUID="1.2.78")
        (tmp_path / "pet").mkdir(exist_ok=True)
        made.save_as(tmp_path / "pet" / f"{index}.dcm", enforce_file_format=True)
    fused = fuse([ct, tmp_path / "pet"], "mean", register="resample")
    made = pydicom.dcmread(fused.save(tmp_path / "a.dcm", keep_patient=ct))
    uids = {pydicom.dcmread(path).SOPInstanceUID for name in ("ct", "pet") for path in (tmp_path / name).iterdir()}
    assert {item.ReferencedSOPInstanceUID for item in made.SourceImageSequence} == uids
    assert len(made.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 3
    other = made.StudiesContainingOtherReferencedInstancesSequence[0]
    assert other.StudyInstanceUID == "1.2.77"
    assert other.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.78"
    assert made.PatientOrientation == ["L", "P"]
    assert "references to 6 source objects" in kept(ct, fused.image)
    assert {"PatientName", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"} <= set(kept(ct, fused.image))
    blank = pydicom.dcmread(fused.save(tmp_path / "b.dcm"))
    assert "SourceImageSequence" not in blank
    series = [pydicom.dcmread(p) for p in sorted(fused.save(tmp_path / "s", keep_patient=ct).iterdir())]
    for slice_ in series:
        assert {item.ReferencedSOPInstanceUID for item in slice_.SourceImageSequence} == uids


@pytest.mark.parametrize("said", ["YES", "NO"])
def test_names_burned_into_a_source_are_passed_on(tmp_path: Path, said: str) -> None:
    image = io.read(patient(tmp_path / "ct", BurnedInAnnotation=said))
    for name in ("a.dcm", "s"):
        path = io.write(image, tmp_path / name)
        path = path if path.is_file() else next(path.iterdir())
        assert pydicom.dcmread(path).BurnedInAnnotation == said


def test_values_longer_than_dicom_allows_are_cut_and_told(tmp_path: Path) -> None:
    source = dicom_slice(np.arange(30, dtype=np.int16).reshape(5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.StudyID, source.AccessionNumber = "2024/01/31-CT-ABDOMEN", "A1"
        source.save_as(tmp_path / "source.dcm", enforce_file_format=True)
    image = io.read(tmp_path / "source.dcm")
    io.write(image, tmp_path / "new.dcm", keep_patient=tmp_path / "source.dcm")
    assert pydicom.dcmread(tmp_path / "new.dcm").StudyID == "2024/01/31-CT-AB"
    told = kept(tmp_path / "source.dcm", image)
    assert "StudyID (cut to the 16 characters that DICOM allows)" in told
    assert "AccessionNumber" in told
