"""Cases from tables and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import made, save
from trifuse.core.errors import GridError, InputError
from trifuse.train.data.cases import Case, CaseSampler, cases, drawn_pair
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


def test_patients_left_out_are_in_neither_phase(table: Path) -> None:
    data = Tables(tables=(table,), leave_out=("p1", "p4"))
    assert [case.patient for case in cases(data, "train")] == ["p0", "p2", "p3"]
    assert cases(data, "val") == []


def test_cases_of_several_tables_join(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "list.csv"
    for name, pixels in zip(("ct", "t1"), made(7), strict=False):
        save(pixels, other.parent / f"{name}.png")
    other.write_text("case,patient,split,path_1,path_2\nx,q,train,ct.png,t1.png\n")
    assert [case.patient for case in cases(Tables(tables=(table, other)), "train")][-1] == "q"


def test_every_patient_is_drawn_alike_whatever_they_have() -> None:
    many = [Case(f"a{n}", (Path("t1.png"), Path("ct.png")), patient="a") for n in range(9)]
    few = [Case("b", (Path("t1.png"), Path("ct.png")), patient="b")]
    random = np.random.default_rng(0)
    drawn = {
        alike: [CaseSampler(many + few, {}, alike).draw(random).patient for _ in range(400)] for alike in (False, True)
    }
    assert drawn[False].count("b") < 80
    assert 150 < drawn[True].count("b") < 250


def test_of_three_sources_any_two_are_drawn_structure_first() -> None:
    case = Case("x", (Path("ct.png"), Path("t1.png"), Path("pet.png")))
    random = np.random.default_rng(0)
    assert {tuple(path.stem for path in drawn_pair(case, random)) for _ in range(50)} == {
        ("t1", "ct"),
        ("t1", "pet"),
        ("ct", "pet"),
    }
    pair = Case("y", (Path("pet.png"), Path("t1.png")))
    assert drawn_pair(pair, random) == pair.sources  # the order of a table of pairs stands
