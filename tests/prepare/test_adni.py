"""Studies out of an ADNI download by a list of image numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prepare.studies import mr_series, pet_series
from trifuse.core.errors import InputError
from trifuse.prepare import Settings, prepare
from trifuse.prepare.adni import listed_numbers, studies


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """Two people: one with two MRs and one PET, one with an MR and a PET; and an image that nobody lists."""
    adni = tmp_path / "ADNI"
    mr_series(adni / "002_S_0413/MPRAGE/2006-05-02_12_31_52.0/I13893")
    mr_series(adni / "002_S_0413/MPRAGE/2008-11-15_10_00_00.0/I118689")
    pet_series(adni / "002_S_0413/FDG/2008-11-20_09_00_00.0/I119000")
    mr_series(adni / "011_S_0021/MPRAGE/2005-10-10_10_00_00.0/I8800")
    pet_series(adni / "011_S_0021/FDG/2005-10-24_10_00_00.0/I9108")
    mr_series(adni / "011_S_0021/MPRAGE/2009-10-10_10_00_00.0/I77777")
    return adni


def numbers(folder: Path, text: str) -> Path:
    """A list with a text."""
    path = folder / "ImageID.csv"
    path.write_text(text)
    return path


def test_images_of_one_row_are_a_study(download: Path, tmp_path: Path) -> None:
    found = studies(download, numbers(tmp_path, "MRI,PET\nI13893,I119000\n8800,9108\n"), keep_names=True)
    assert [study.name for study in found] == ["002_S_0413-13893", "011_S_0021-8800"]
    assert found[0].sources["mr"].name == "I13893"
    assert found[1].sources["pet"].name == "I9108"
    assert not any(study.error for study in found)


def test_images_listed_one_by_one_are_matched_by_person_and_date(download: Path, tmp_path: Path) -> None:
    text = 'Image Data ID,Subject,Age\n"I13893","002_S_0413",760\n118689,x,1\n119000,x,1\n8800,x,1\n9108,x,1\n'
    found = studies(download, numbers(tmp_path, text))
    assert [study.name for study in found] == ["study-001", "study-002"]
    assert found[0].sources["mr"].name == "I118689"  # five days before the PET, not two years
    assert found[1].sources["mr"].name == "I8800"
    assert found[0].coded


def test_what_was_not_downloaded_is_named_and_stops_nothing(download: Path, tmp_path: Path) -> None:
    found = studies(download, numbers(tmp_path, "8800,9108\n13893,55555\n"))
    assert found[0].error == "" or found[1].error == ""
    assert "0 of its images are pet" in found[1].error or "0 of its images are pet" in found[0].error
    assert "image I55555 of the list: not in the folder" in found[-1].error


def test_a_download_becomes_a_data_set(download: Path, tmp_path: Path) -> None:
    listed = numbers(tmp_path, "8800,9108\n")
    done = prepare(download, tmp_path / "out", Settings(register="resample", spacing=4), images=listed)
    assert done.failed == {}
    assert [row["case"] for row in done.rows] == ["study-001"]
    assert sorted(path.name for path in (tmp_path / "out/images/study-001").iterdir()) == ["mr.nii.gz", "pet.nii.gz"]
    assert "011_S_0021" not in (tmp_path / "out/records/study-001.json").read_text()


@pytest.mark.parametrize(
    ("text", "said"), [("", "names no image number"), ("name,age\na,7\n", "names no image number")]
)
def test_a_list_without_numbers_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        listed_numbers(numbers(tmp_path, text))


def test_a_folder_without_the_images_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds none of the 2 images"):
        studies(tmp_path / "empty", numbers(tmp_path, "8800,9108\n"))
