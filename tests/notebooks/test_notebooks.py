"""The notebooks run from top to bottom on the bundled study, and come to what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def run(name: str, monkeypatch: pytest.MonkeyPatch, where: Path) -> dict[str, Any]:
    """What a notebook's cells leave, run in one process as a kernel does, without the kernel's start."""
    monkeypatch.chdir(where)
    book = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert book["nbformat"] == 4
    held: dict[str, Any] = {"__name__": "__main__"}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "commit notebooks without their outputs"
            exec(compile("".join(cell["source"]), f"{name}:{cell['id']}", "exec"), held)
    return held


def test_fusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = run("1-fuse.ipynb", monkeypatch, tmp_path)
    assert held["fused"].image.channels == 3
    assert held["structures"].image.channels == 1
    assert (tmp_path / "fused.png").is_file()
    assert held["fused"]._repr_png_().startswith(b"\x89PNG")


def test_comparing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    held = run("2-compare-and-measure.ipynb", monkeypatch, tmp_path)
    rows = {row["method"]: row for row in held["result"].rows()}
    assert rows["gradient-domain"]["edge_recall"] > rows["mean"]["edge_recall"]
    assert 300 < held["mask"].sum() < 1500  # the lesion, and nothing else
    said = capsys.readouterr().out
    assert "gradient-domain" in said


def test_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = run("3-your-own-method.ipynb", monkeypatch, tmp_path)
    mine = held["mine"]
    assert mine.provenance["method"] == "sharpest"
    assert np.ptp(mine.image.pixels) > 0.5
