"""Cases from tables and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import made, save
from trifuse.core.errors import GridError, InputError
from trifuse.train.cases import cases
from trifuse.train.settings.data import Folder, Tables


def test_a_table_gives_its_cases_by_split(table: Path) -> None:
    data = Tables(tables=(table,))
    train, val = cases(data, "train"), cases(data, "val")
    assert [case.name for case in train] == [f"case{n} T1/T2/PET" for n in range(4)]
    assert [case.patient for case in val] == ["p4"]
    assert [path.name for path in val[0].sources] == ["t1.png", "t2.png", "pet.png"]


def test_a_table_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("case,split\na,train\n")
    with pytest.raises(InputError, match="no columns path_1"):
        cases(Tables(tables=(path,)), "train")


def test_one_folder_per_modality(tmp_path: Path) -> None:
    for number in range(4):
        for modality, pixels in zip(("t1", "t2", "pet"), made(number), strict=True):
            save(pixels, tmp_path / modality / f"{number}.png")
    data = Folder(folder=tmp_path, modalities=("t1", "t2", "pet"), held_out=0.25)
    assert [case.name for case in cases(data, "train")] == ["0", "1", "2"]
    assert cases(data, "val")[0].sources == tuple(tmp_path / m / "3.png" for m in ("t1", "t2", "pet"))
    (tmp_path / "t2" / "1.png").unlink()
    with pytest.raises(InputError, match=r"t2: no picture called 1"):
        cases(data, "train")


def test_one_folder_per_case_with_a_given_truth(tmp_path: Path) -> None:
    for number in range(2):
        for name, pixels in zip(("ct", "mr", "fused"), made(number), strict=True):
            save(pixels, tmp_path / f"patient{number}" / f"{name}.png")
    found = cases(Folder(folder=tmp_path, modalities=("ct", "mr"), truth="fused", held_out=0), "train")
    assert [case.truth for case in found] == [tmp_path / f"patient{n}" / "fused.png" for n in range(2)]


def test_pictures_of_unequal_size_are_refused_with_a_table(table: Path) -> None:
    save(np.zeros((1, 20, 20), np.uint8), table.parent / "case2" / "t2.png")
    with pytest.raises(GridError, match=r"case2.*unequal size") as caught:
        cases(Tables(tables=(table,)), "train")
    assert "20x20" in caught.value.table


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither one folder per modality"):
        cases(Folder(folder=tmp_path, modalities=("t1", "t2")), "train")
