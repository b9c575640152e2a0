"""`--overwrite`: files that are there are replaced by the same run, or on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.cli.calls import called
from trifuse import fuse
from trifuse.core.errors import InputError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command line in this process, in a folder with a.png, b.png and c.png; exit code and stderr."""
    for name in "abc":
        noise = np.random.default_rng(ord(name)).integers(0, 256, (24, 24), dtype=np.uint8)
        Pillow.fromarray(noise).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: object) -> tuple[int, str]:
        done = called(*arguments)
        return done.code, done.stderr

    return run_it


def kept(run: Run, *arguments: object) -> None:
    """The command is refused in one line, and nothing changes."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, printed = run(*arguments)
    assert code == 2
    assert "--overwrite" in printed
    assert len(printed.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_fuse_replaces_what_the_same_run_made(run: Run) -> None:
    asked = ["fuse", "a.png", "b.png", "-o", "f.png", "--picture", "sheet.png"]
    for _ in range(2):
        assert run(*asked, "-m", "mean")[0] == 0
    assert json.loads(Path("f.png.json").read_text())["beside"] == ["sheet.png"]
    kept(run, *asked, "-m", "max")
    kept(run, "fuse", "a.png", "c.png", "-o", "f.png", "-m", "mean")
    kept(run, "fuse", "a.png", "b.png", "-o", "f.png", "-m", "mean", "--picture", "c.png")
    assert run(*asked, "-m", "max", "--overwrite")[0] == 0
    assert json.loads(Path("f.png.json").read_text())["method"] == "max"


@pytest.mark.parametrize("theirs", ["c.png", "new.png.json", "new-uncertainty.png", "new-uncertainty-map.png"])
def test_fuse_replaces_nothing_of_others(run: Run, theirs: str) -> None:
    Path(theirs).write_text("{}")
    out = "c.png" if theirs == "c.png" else "new.png"
    kept(run, "fuse", "a.png", "b.png", "-m", "mean", "-o", out)
    assert run("fuse", "a.png", "b.png", "-m", "mean", "-o", out, "--overwrite")[0] == 0


def test_a_fused_image_is_saved_over_its_like_alone_if_asked(run: Run) -> None:
    mean, other = (fuse(["a.png", "b.png"], name) for name in ("mean", "max"))
    mean.save("f.png", overwrite=False)
    mean.save("f.png", overwrite=False)
    with pytest.raises(InputError, match="is there already"):
        other.save("f.png", overwrite=False)
    with pytest.raises(InputError, match=r"c.png: is there already"):
        other.save("c.png", overwrite=False)
    other.save("f.png")
    with pytest.raises(InputError, match=r"a.png"):
        other.save("a.png")  # a source


def test_compare_goes_on_with_the_same_sources(run: Run) -> None:
    asked = ["-o", "out", "--methods"]
    assert run("compare", "a.png", "b.png", *asked, "mean")[0] == 0
    assert run("compare", "a.png", "b.png", *asked, "mean,max")[0] == 0
    kept(run, "compare", "a.png", "c.png", *asked, "mean")
    assert run("compare", "a.png", "c.png", *asked, "mean", "--overwrite")[0] == 0
    Path("theirs").mkdir()
    Path("theirs/metrics.csv").write_text("mine")
    kept(run, "compare", "a.png", "b.png", "-o", "theirs", "--methods", "mean")


def test_bench_prepare_and_cohort_keep_out_of_folders_of_others(run: Run) -> None:
    for name, text in {
        "bench.yaml": "name: b\ntitle: B\ncases: {listed: {p1: [a.png, b.png]}}\nmethods: [mean]\nmetrics: [mse]\n",
        "cases.csv": "case,t1,pet\np1,a.png,b.png\n",
    }.items():
        Path(name).write_text(text)
    for command, files in {
        "bench": ("results.csv", "index.html"),
        "prepare": ("manifest.csv",),
        "cohort": ("cohort.csv", "p1/fused.png"),
    }.items():
        listed = "bench.yaml" if command == "bench" else "cases.csv"
        for file in files:
            path = Path(command) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("theirs")
            kept(run, command, listed, "-o", command)
            path.unlink()
    assert run("bench", "bench.yaml", "-o", "out")[0] == 0
    assert run("bench", "bench.yaml", "-o", "out")[0] == 0
    kept(run, "cohort", "cases.csv", "-o", "out")
    Path("bench.yaml").write_text(Path("bench.yaml").read_text().replace("name: b", "name: c"))
    kept(run, "bench", "bench.yaml", "-o", "out")
    assert run("cohort", "cases.csv", "-o", "out", "--overwrite", "--colour", "luma")[0] == 0


def test_a_cohort_spares_its_sources(run: Run) -> None:
    Path("out/p1").mkdir(parents=True)
    Path("a.png").rename("out/p1/fused.png")
    Path("out/cases.csv").write_text("case,t1,pet\np1,p1/fused.png,../b.png\n")
    code, printed = run("cohort", "out/cases.csv", "-o", "out", "--overwrite")
    assert (code, "which it would replace" in printed) == (2, True)


def test_weights_of_a_name_are_replaced_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", "home")
    for number in (1, 2):
        torch.save({"a": torch.full((3,), number)}, f"{number}.pt")
    assert run("weights", "add", "mine", "1.pt")[0] == 0
    assert run("weights", "add", "mine", "1.pt")[0] == 0
    kept(run, "weights", "add", "mine", "2.pt")
    assert run("weights", "add", "mine", "2.pt", "--overwrite")[0] == 0
    assert Path("home/weights/mine.pt").read_bytes() == Path("2.pt").read_bytes()
