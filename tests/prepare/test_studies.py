"""Lists of studies: tables, YAML files, and folders as they were exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prepare.studies import MR, MR_SIZE, head, mr_series, nifti, pet_series, table
from trifuse.core.errors import InputError
from trifuse.prepare import Settings, prepare
from trifuse.prepare.studies import listed

VALUES = head(MR, MR_SIZE)[::6, ::6, ::6]


def test_a_table_names_studies_patients_splits_and_images(tmp_path: Path) -> None:
    path = table(tmp_path / "l.csv", "s 1,p1,val,a/t1.nii,/data/pet", "s2,,,b/t1.nii,b/pet")
    one, two = listed(path)
    assert (one.name, one.patient, one.split) == ("s_1", "p1", "val")
    assert one.sources == {"t1": tmp_path / "a" / "t1.nii", "pet": Path("/data/pet")}
    assert (two.patient, two.split) == ("s2", "")
    assert list(listed(path, ["pet", "t1"])[0].sources) == ["pet", "t1"]


def test_a_study_that_lacks_an_image_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "l.csv", "s1,p1,,t1.nii,", "s2,p2,,t1.nii,pet.nii")
    assert "fewer than two" in listed(path)[0].error
    assert "names no pet" in listed(path, ["t1", "pet"])[0].error
    assert not listed(path)[1].error


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "l.yaml"
    path.write_text("studies:\n  s1: {t1: a.nii, pet: b.nii, patient: p, register: affine}\n")
    (study,) = listed(path)
    assert study.sources == {"t1": tmp_path / "a.nii", "pet": tmp_path / "b.nii"}
    assert (study.patient, study.register) == ("p", "affine")


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("l.csv", "name,t1,pet\na,b,c\n", "no column study"),
        ("l.csv", "", "no column study"),
        ("l.csv", "study,t1,pet\n", "lists no study"),
        ("l.csv", "study,t1,pet\na,b,c\na,b,c\n", "two studies are named a"),
        ("l.yaml", "studies: [a, b]\n", "as a mapping"),
        ("l.yaml", "studies: {a: [}\n", "not valid YAML"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_list_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str, text: str | None, word: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=word) as error:
        listed(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_folder_of_studies_with_equal_names(tmp_path: Path) -> None:
    for study in ("a", "b"):
        for name in ("pet", "t1", "t1_mask"):
            nifti(tmp_path / study / f"{name}.nii.gz", MR, VALUES)
    nifti(tmp_path / "b" / "extra.nii", MR, VALUES)
    studies = listed(tmp_path, keep_names=True)
    assert [study.name for study in studies] == ["a", "b"]
    assert [list(study.sources) for study in studies] == [["t1", "pet"]] * 2  # structure first, no masks


def test_exported_folders_are_recognised_by_what_made_them(tmp_path: Path) -> None:
    mr_series(tmp_path / "anna" / "20200229" / "SE000001")
    pet_series(tmp_path / "anna" / "20200229" / "SE000002")
    nifti(tmp_path / "ben" / "anat" / "sub-1_T1w.nii.gz", MR, VALUES)
    nifti(tmp_path / "ben" / "pet" / "sub-1_trc-FDG_pet.nii.gz", MR, VALUES)
    anna, ben = listed(tmp_path, ["mr", "pet"])
    assert [path.name for path in anna.sources.values()] == ["SE000001", "SE000002"]
    assert [path.name for path in ben.sources.values()] == ["sub-1_T1w.nii.gz", "sub-1_trc-FDG_pet.nii.gz"]
    with pytest.raises(InputError, match="--source"):
        listed(tmp_path)


def test_several_images_of_a_kind_are_no_guess(tmp_path: Path) -> None:
    for name in ("t1_first.nii", "t1_second.nii", "pet.nii"):
        nifti(tmp_path / "a" / name, MR, VALUES)
    (study,) = listed(tmp_path, ["t1", "pet"])
    assert "2 images are t1" in study.error
    assert not listed(tmp_path, ["t1_first", "pet"])[0].error
    assert "no image is ct" in listed(tmp_path, ["ct", "pet"])[0].error


def test_folders_names_stay_with_the_person_at_the_screen(tmp_path: Path) -> None:
    for study in ("Mueller 10", "Mueller 2"):
        nifti(tmp_path / "in" / study / "t1.nii.gz", MR, VALUES)
        if study.endswith("2"):
            nifti(tmp_path / "in" / study / "pet.nii.gz", MR, VALUES)
    done = prepare(tmp_path / "in", tmp_path / "out", Settings(sources=("t1", "pet"), spacing=0))
    assert done.codes == {"study-001": "Mueller 2", "study-002": "Mueller 10"}
    assert [(row["case"], row["patient"]) for row in done.rows] == [("study-001", "study-001")]
    assert list(done.failed) == ["study-002"]
    for path in (tmp_path / "out").rglob("*"):
        assert "Mueller" not in str(path.relative_to(tmp_path))
        assert path.is_dir() or b"Mueller" not in path.read_bytes()
    assert prepare(tmp_path / "in", tmp_path / "out", Settings(sources=("t1", "pet"), spacing=0)).fresh == 1
