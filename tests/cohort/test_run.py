"""A cohort from files to files: what is done, done again, and what fails alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.cohort.conftest import picture
from trifuse.cohort import Job, cases_of, cohort
from trifuse.cohort.page import outliers
from trifuse.core.cells import csv_cell
from trifuse.core.errors import OptionError
from trifuse.engines import Local
from trifuse.engines.dask import Dask, queue
from trifuse.fusion.settings import Run


def jobs(table: Path, out: Path, method: str = "max", **changes: object) -> list[Job]:
    return [Job(case, out, method, Run(colour="luma"), sheet=False, **changes) for case in cases_of([table])]  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Pillow.open(path))


def test_every_case_is_fused_measured_and_listed(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cohort(jobs(table, out, metrics=("sd", "ssim")))
    assert not done.failed
    for name in ("p1", "p2", "p10"):
        sources = [pixels(table.parent / f"{name}_{kind}.png") for kind in ("t1", "pet")]
        assert np.array_equal(pixels(out / name / "fused.png"), np.maximum(*sources))
        assert json.loads((out / name / "fused.png.json").read_text())["method"] == "max"
    with done.table.open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["case"] for row in rows] == ["p1", "p2", "p10"]
    assert float(rows[0]["sd"]) == pytest.approx(pixels(out / "p1" / "fused.png").std(), rel=1e-3)
    assert "3 of 3 cases done" in done.page.read_text()


def test_only_what_is_missing_or_changed_is_done_again(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cohort(jobs(table, out)).fresh == 3
    assert cohort(jobs(table, out)).fresh == 0
    picture(table.parent / "p2_pet.png", 7)
    (out / "p10" / "fused.png").unlink()
    done = cohort(jobs(table, out))
    assert done.fresh == 2
    expected = np.maximum(pixels(table.parent / "p2_t1.png"), pixels(table.parent / "p2_pet.png"))
    assert np.array_equal(pixels(out / "p2" / "fused.png"), expected)
    assert cohort(jobs(table, out, "mean")).fresh == 3


def test_a_failed_case_is_a_row_with_its_reason(table: Path, tmp_path: Path) -> None:
    (table.parent / "p2_pet.png").write_bytes(b"no picture")
    text = table.read_text() + "p3,p1_t1.png,p1_pet.png\n"
    table.write_text(
        text.replace("case,t1,pet", "case,t1,pet,scale").replace("p3,p1_t1.png,p1_pet.png", "p3,p1_t1.png,p1_pet.png,3")
    )
    done = cohort(jobs(table, tmp_path / "out"), Local(2))
    assert list(done.failed) == ["p2", "p3"]
    assert "p2_pet.png" in done.failed["p2"]
    assert "scale 3 is not known" in done.failed["p3"]
    assert done.failed["p2"] in done.page.read_text()
    assert cohort(jobs(table, tmp_path / "out")).fresh == 2


def test_an_empty_mask_is_no_lesion(table: Path, tmp_path: Path) -> None:
    for name, values in (("none", np.zeros((32, 32), np.uint8)), ("some", np.eye(32, dtype=np.uint8) * 255)):
        Pillow.fromarray(values).save(table.parent / f"{name}.png")
    text = table.read_text().splitlines()
    table.write_text("\n".join([f"{text[0]},mask", f"{text[1]},none.png", f"{text[2]},some.png"]) + "\n")
    without, with_lesion = cohort(jobs(table, tmp_path / "out", metrics="use")).records
    assert "lesion_cnr" not in without["scores"]
    assert "its mask is empty: nothing is measured within it" in without["notes"]
    assert "lesion_cnr" in with_lesion["scores"]


def test_shards_together_are_the_whole(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = cohort(jobs(table, out), shard=(1, 2))
    assert (first.fresh, list(first.failed)) == (2, ["p2"])
    second = cohort(jobs(table, out), shard=(2, 2))
    assert (second.fresh, second.failed) == (1, {})
    with pytest.raises(OptionError, match="3/2 is no part"):
        cohort(jobs(table, out), shard=(3, 2))


def test_dask_gives_the_same_bytes(table: Path, tmp_path: Path) -> None:
    (table.parent / "p2_pet.png").write_bytes(b"no picture")
    here = cohort(jobs(table, tmp_path / "a"))
    told: list[str] = []
    there = cohort(jobs(table, tmp_path / "b"), Dask(workers=2, tell=told.append))
    assert told[0].startswith("dashboard: http://127.0.0.1:")
    assert there.failed == here.failed
    for name in ("p1", "p10"):
        assert (tmp_path / "a" / name / "fused.png").read_bytes() == (tmp_path / "b" / name / "fused.png").read_bytes()


def test_the_script_that_a_queue_gets() -> None:
    script = queue("slurm", {"queue": "long", "walltime": "08:00:00", "account": "brain"}, "8GiB").job_script()
    for line in ("#SBATCH -p long", "#SBATCH -A brain", "#SBATCH -t 08:00:00", "#SBATCH --mem=8G", "OMP_NUM_THREADS=1"):
        assert line in script
    assert "--nthreads 1" in script


def test_what_stands_out_is_said() -> None:
    records = [
        {
            "case": f"c{n}",
            "doubtful": n == 3,
            "overlap": 0.4,
            "moved_mm": 1 + 0.1 * n,
            "scores": {"vif": 0.5 + 0.01 * n},
        }
        for n in range(8)
    ]
    records[5]["moved_mm"], records[6]["scores"] = 25.0, {"vif": 0.01}
    found = outliers(records)
    assert [case for case, remarks in found.items() if remarks] == ["c3", "c5", "c6"]
    assert found["c5"] == ["moved_mm 25 (median 1.35)"]
    assert "overlap 0.40" in found["c3"][0]


def test_a_table_runs_no_formula() -> None:
    assert [csv_cell(value) for value in ("=1+1", "@x", "p1", -1.5, None)] == ["'=1+1", "'@x", "p1", -1.5, None]
