"""Sources of one patient, told in memory and never printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.io.makers import dicom_slice
from trifuse import fuse, io
from trifuse.core.errors import GridError, InputError
from trifuse.core.image import Image
from trifuse.core.lineage import Lineage, check_one_patient, joined
from trifuse.fusion.compare import compare
from trifuse.prepare import Settings, prepare

VALUES = np.random.default_rng(2).integers(0, 900, (8, 7)).astype(np.int16)


def source(path: Path, **attributes: object) -> Path:
    dicom_slice(VALUES, Modality="MR", **attributes).save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"PatientID": "P-78"}, "PatientID"),
        ({"PatientName": "Else^Somebody"}, "PatientName"),
        ({"PatientID": "", "PatientName": "", "PatientBirthDate": "19500102"}, "PatientBirthDate"),
        ({"PatientID": "X", "PatientName": "Y"}, "PatientID, PatientName"),
        ({"PatientID": " p-77 ", "PatientName": "SOMEBODY REAL"}, ""),
        ({"PatientID": "", "PatientName": "", "PatientBirthDate": ""}, ""),
    ],
)
def test_different_patients_are_refused_unless_said(tmp_path: Path, attributes: dict[str, object], named: str) -> None:
    one = source(tmp_path / "a.dcm", PatientBirthDate="19500101")
    two = source(tmp_path / "b.dcm", **({"PatientBirthDate": "19500101"} | attributes))
    if not named:
        assert fuse([one, two], "mean").image.space == (8, 7)
        return
    for run in (
        lambda **s: fuse([one, two], "mean", **s),
        lambda **s: compare([one, two], ["mean"], metrics="en", **s),
    ):
        with pytest.raises(
            InputError, match=rf"source 2 is of another patient than source 1 by its header \({named}\)"
        ) as error:
            run()
        for secret in ("P-77", "P-78", "Somebody", "1950"):
            assert secret not in str(error.value)
        run(different_patients=True)


def test_the_patient_is_told_to_nobody(tmp_path: Path) -> None:
    paths = [source(tmp_path / name, PatientBirthDate="19500101") for name in ("a.dcm", "b.dcm")]
    fused = fuse(paths, "mean")
    assert fused.image.lineage is not None
    assert fused.image.lineage.patient == ("P-77", "Somebody^Real", "19500101")
    assert len(fused.image.lineage.instances) == 2
    for text in (repr(fused.image.lineage), repr(fused.provenance), repr(io.read(paths[0]).lineage)):
        for secret in ("P-77", "Somebody", "1950", "1.2.3"):
            assert secret not in text


def test_burned_in_names_are_passed_on() -> None:
    said = [Lineage(burned_in=word) for word in ("YES", "NO", "")]
    assert joined(said).burned_in == "YES"  # type: ignore[union-attr]
    assert joined(said[1:2]).burned_in == "NO"  # type: ignore[union-attr]
    assert joined(said[1:]).burned_in == ""  # type: ignore[union-attr]
    assert joined([said[1], None]).burned_in == ""  # type: ignore[union-attr]
    assert joined([None]) is None
    check_one_patient([None, said[0]])


def test_prepare_refuses_a_study_of_two_patients(tmp_path: Path) -> None:
    for name, patient in (("mr", "A"), ("ct", "B")):
        (tmp_path / "s" / "p" / name).mkdir(parents=True)
        for index in range(3):
            made = dicom_slice(VALUES, position=(0, 0, 4.0 * index), Modality=name.upper(), PatientID=patient)
            made.save_as(tmp_path / "s" / "p" / name / f"{index}.dcm", enforce_file_format=True)
    settings = {"sources": ("mr", "ct"), "spacing": 0}
    assert "another patient" in prepare(tmp_path / "s", tmp_path / "o", Settings(**settings)).failed["study-001"]
    assert not prepare(tmp_path / "s", tmp_path / "o", Settings(**settings, different_patients=True)).failed


def test_an_image_without_place_is_registered_or_refused() -> None:
    volume = Image(np.zeros((1, 5, 6, 4), np.float32), affine=np.diag([2, 2, 2, 1]))
    lost = Image(np.zeros((1, 5, 6, 4), np.float32), affine=np.diag([2, 2, 2, 1]), placed=False)
    for register in ("none", "resample"):
        with pytest.raises(GridError, match="source 2 does not say where it lies"):
            fuse([volume, lost], "mean", register=register)


@pytest.mark.parametrize(
    ("mine", "its", "same"),
    [
        (("1", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", ""), ("1", "YAMADA^TAROU", ""), True),
        (("1", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", ""), ("1", "=\u5c71\u7530^\u592a\u90ce", ""), True),
        (("1", "Yamada^Tarou=\u5c71\u7530", ""), ("1", "Yamada^Tarou=\u7530\u4e2d", ""), False),
        (("1", "", "1970-01-02"), ("1", "", "19700102"), True),
        (("1", "", "1970.01.02"), ("1", "", "19700103"), False),
        (("1", "Doe^Jane^^^", ""), ("1", "doe, jane", ""), True),
        (("1", "Doe^Jane", ""), ("2", "Doe^Jane", ""), False),
    ],
)
def test_one_patient_is_written_in_many_ways(mine: tuple[str, str, str], its: tuple[str, str, str], same: bool) -> None:
    if same:
        check_one_patient([Lineage(mine), Lineage(its)])
        return
    with pytest.raises(InputError, match="source 2 is of another patient than source 1"):
        check_one_patient([Lineage(mine), Lineage(its)])
