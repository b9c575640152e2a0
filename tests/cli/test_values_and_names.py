"""Values that are no numbers are counted and told by every command; no sheet or page bears a file's name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.cli.calls import trifuse
from trifuse import report

Run = Callable[..., str]
LOST = "source 2: 5 of 1440 values are not finite; NaN is shown as black, infinities as the ends of the window"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in a folder with two volumes of a Mr Smith, the second of which lacks five values."""
    random = np.random.default_rng(0)
    for name in ("smith_t1", "smith_pet"):
        values = random.random((12, 12, 10)).astype(np.float32)
        if name == "smith_pet":
            values[3, 3, :3], values[0, 0, 0], values[1, 1, 1] = np.nan, np.inf, -np.inf
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / f"{name}.nii")
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: object) -> str:
        return trifuse(*arguments).stderr

    return run_it


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of all panels that are drawn."""
    titles: list[str] = []

    def contact_sheet(panels: Any, path: Path, **_: object) -> Path:
        titles.extend(title for title, _ in panels)
        return Path(path)

    monkeypatch.setattr(report, "contact_sheet", contact_sheet)
    return titles


SOURCES = ("smith_t1.nii", "smith_pet.nii")


def test_fuse(run: Run, drawn: list[str]) -> None:
    err = run("fuse", *SOURCES, "-m", "mean", "-o", "f.nii", "--picture", "s.png", "--colour", "luma")
    assert f"note: {LOST}" in err
    told = json.loads(Path("f.nii.json").read_text())
    assert LOST in told["notes"]
    assert [source["not_finite"] for source in told["sources"]] == [0, 5]
    assert drawn == ["T1", "PET", "fused: mean"]


def test_compare(run: Run, drawn: list[str]) -> None:
    err = run(
        "compare", *SOURCES, "-m", "mean", "--metrics", "sd", "-o", "out", "--colour", "luma", "--register", "resample"
    )
    assert f"note: {LOST}" in err
    assert LOST in json.loads(Path("out/mean.nii.gz.json").read_text())["notes"]
    assert drawn == ["T1", "PET", "mean"]


def test_cohort_and_prepare(run: Run, drawn: list[str]) -> None:
    Path("cases.csv").write_text(f"case,t1,pet\np1,{SOURCES[0]},{SOURCES[1]}\n")
    run("cohort", "cases.csv", "-o", "out", "-m", "mean", "--colour", "luma")
    assert drawn == ["T1", "PET", "fused"]
    assert "5 of 1440 values are not finite" in Path("out/index.html").read_text()
    run("prepare", "cases.csv", "-o", "set", "--register", "resample")
    (record,) = Path("set/records").iterdir()
    assert any("5 of 1440 values" in note for note in json.loads(record.read_text())["sources"][1]["notes"])


def test_bench(run: Run) -> None:
    Path("b.yaml").write_text(
        f"name: b\ntitle: B\ncases: {{listed: {{p1: [{', '.join(SOURCES)}]}}}}\nmethods: [mean]\nmetrics: [sd]\n"
    )
    assert f"note: p1: {LOST}" in run("bench", "b.yaml", "-o", "out")
    with Path("out/results.csv").open(newline="") as opened:
        assert all(row["notes"] == LOST for row in csv.DictReader(opened))
    page = Path("out/index.html").read_text()
    assert LOST in page
    assert "smith" not in page
