"""The cases of a cohort, from tables, folders and BIDS data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cohort.conftest import picture
from trifuse.cohort.cases import Choice, cases_of
from trifuse.core.errors import InputError, OptionError


def test_a_table_names_sources_and_settings_of_its_own(tmp_path: Path) -> None:
    listed = tmp_path / "l.csv"
    listed.write_text("case,t1,pet,mask,scale,method,patient\na,x.nii,sub/y.nii,m.nii,2,max,p\nb,x.nii,,,,,\n")
    first, second = cases_of([listed])
    assert list(first.sources.items()) == [("t1", tmp_path / "x.nii"), ("pet", tmp_path / "sub/y.nii")]
    assert (first.mask, first.reference) == (tmp_path / "m.nii", None)
    assert first.settings == {"scale": "2", "method": "max"}
    assert second.error == "the list names fewer than two images"


def test_a_yaml_list(tmp_path: Path) -> None:
    (tmp_path / "l.yaml").write_text("cases:\n  a: {ct: x.nii, pet: y.nii, options: 'levels=3; rule=max'}\n")
    (case,) = cases_of([tmp_path / "l.yaml"])
    assert case.settings == {"options": "levels=3; rule=max"}
    assert list(case.sources) == ["ct", "pet"]


def test_parallel_folders_are_paired_by_name(tmp_path: Path) -> None:
    for name in ("p2", "p10"):
        picture(tmp_path / "mr" / f"{name}_mr.png", 1)
        picture(tmp_path / "PET" / f"{name}-pet.tif", 2)
    picture(tmp_path / "mr" / "p3.png", 3)
    cases = cases_of([tmp_path / "mr", tmp_path / "PET"])
    assert [case.name for case in cases] == ["p2", "p3", "p10"]
    assert [path.name for path in cases[2].sources.values()] == ["p10_mr.png", "p10-pet.tif"]
    assert cases[1].error == "has no partner in pet; name the files alike"
    picture(tmp_path / "ct" / "other.png", 4)
    with pytest.raises(InputError, match="no file has a partner"):
        cases_of([tmp_path / "PET", tmp_path / "ct"])


def bids(root: Path) -> Path:
    for name in (
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_ce-gd_T1w.nii.gz",
        "sub-01/ses-a/pet/sub-01_ses-a_trc-FDG_pet.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz",
        "sub-02/anat/sub-02_run-1_T1w.nii.gz",
        "sub-02/anat/sub-02_run-2_T1w.nii.gz",
        "sub-02/anat/sub-02_FLAIR.nii.gz",
        "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    return root


def test_a_bids_data_set(tmp_path: Path) -> None:
    cases = cases_of([bids(tmp_path)])
    assert [case.name for case in cases] == ["sub-01_ses-a", "sub-01_ses-b", "sub-02"]
    assert list(cases[0].sources) == ["t1", "gad", "pet"]
    assert cases[0].sources["pet"].name == "sub-01_ses-a_trc-FDG_pet.nii.gz"
    assert cases[0].place == "sub-01/ses-a/anat/sub-01_ses-a_desc-fused_T1w"
    assert "fewer than two" in cases[1].error
    assert "several t1 (sub-02_run-1_T1w.nii.gz, sub-02_run-2_T1w.nii.gz)" in cases[2].error
    (one,) = cases_of([tmp_path], Choice(("t1", "pet"), ("sub-01",), ("a",)))
    assert list(one.sources) == ["t1", "pet"]
    with pytest.raises(OptionError, match="no participant 07; there are 2"):
        cases_of([tmp_path], Choice(participants=("07",)))
    with pytest.raises(OptionError, match="no participant has a session c"):
        cases_of([tmp_path], Choice(sessions=("c",)))


def test_lists_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("case,t1,pet\na,b,c\na,b,c\n")
    with pytest.raises(InputError, match="two cases are called a"):
        cases_of([tmp_path / "l.csv"])
    with pytest.raises(InputError, match="cannot be read"):
        cases_of([tmp_path / "none.csv"])
    with pytest.raises(OptionError, match="no dataset_description"):
        cases_of([tmp_path / "l.csv"], Choice(participants=("01",)))


def test_series_and_frames_are_chosen_within_a_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("case,t1,pet,pet_series,pet_frame\na,a/study,a/study,5,1\n")
    (case,) = cases_of([tmp_path / "t.csv"])
    assert list(case.sources) == ["t1", "pet"]
    assert case.chosen == {"t1": {}, "pet": {"series": "5", "frame": "1"}}
