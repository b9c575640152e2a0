"""What is written of results, and how they show themselves."""

from __future__ import annotations

import csv
import io as memory
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import trifuse
from trifuse import Fused, Image, Run, io
from trifuse.core.errors import InputError
from trifuse.fusion.compare import slow


@pytest.mark.parametrize("name", ["fused.png", "fused.tif", "fused.jpg", "fused.nii.gz", "fused.dcm"])
def test_the_uncertainty_is_exact_and_can_be_read(tmp_path: Path, name: str) -> None:
    spread = np.linspace(0, 0.01, 40 * 36, dtype=np.float32).reshape(1, 40, 36)
    path = Fused(Image(np.full_like(spread, 0.5)), Image(spread), {"samples": 8}).save(tmp_path / name)
    assert path == tmp_path / name
    assert json.loads((tmp_path / f"{name}.json").read_text())["samples"] == 8
    with Pillow.open(tmp_path / "fused-uncertainty-map.png") as shown:
        assert np.asarray(shown.convert("L")).max() > 200
    exact = tmp_path / f"fused-uncertainty{name.removeprefix('fused').replace('.jpg', '.png')}"
    again = io.read(exact)
    scale = 1 if io.keeps_units(exact) or name.endswith(".tif") else 65535
    assert np.allclose(np.squeeze(again.native().astype(np.float64)) / scale, spread[0], atol=1e-5)
    if io.keeps_units(exact):
        assert again.window == pytest.approx((0, 0.01))


def test_without_uncertainty_nothing_is_written_of_it(tmp_path: Path) -> None:
    a = np.random.default_rng(0).random((8, 9), dtype=np.float32)
    trifuse.fuse([a, a], "mean").save(tmp_path / "fused.png")
    assert {path.name for path in tmp_path.iterdir()} == {"fused.png", "fused.png.json"}


def test_nothing_is_written_where_the_uncertainty_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "fused-uncertainty-map.png").mkdir()
    spread = Image(np.full((1, 8, 9), 0.1, np.float32))
    with pytest.raises(InputError, match=r"fused-uncertainty-map\.png: is a folder"):
        Fused(spread, spread).save(tmp_path / "fused.png")
    assert [path.name for path in tmp_path.iterdir()] == ["fused-uncertainty-map.png"]


def test_a_comparison_saves_itself(tmp_path: Path) -> None:
    pair = [np.random.default_rng(seed).random((16, 18), dtype=np.float32) for seed in range(2)]
    result = trifuse.compare(pair, ["mean", "max"], metrics=["en", "cc"])
    written = result.save(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {"mean.png", "max.png", "metrics.md"}
    assert written["contact sheet"].stat().st_size > 1000
    rows = list(csv.DictReader(written["metrics"].open()))
    assert [row["method"] for row in rows] == ["mean", "max"]
    assert float(rows[0]["en"]) == result.scores["mean"]["en"]
    again = io.read(tmp_path / "new" / "max.png").pixels[0]
    assert np.abs(again - np.maximum(*pair)).max() <= 0.5 / 255 + 1e-6


def test_pictures_of_a_comparison_are_there_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [np.random.default_rng(seed).random((16, 18), dtype=np.float32) for seed in range(2)]
    seen = []
    monkeypatch.setattr(
        "trifuse.fusion.compare.evaluate", lambda *_, **__: seen.append(sorted(p.name for p in tmp_path.glob("*.png")))
    )
    trifuse.compare(pair, ["mean", "max"], folder=tmp_path)
    assert seen == [[], ["mean.png"]]
    assert (tmp_path / "max.png").is_file()


def test_what_takes_long_is_said_with_its_time() -> None:
    large = [Image(np.zeros((1, 1000, 1000), np.float32))] * 3
    assert slow(["mean", "bitonicx"], large, Run()) == ["bitonicx (about 24 s)"]
    assert slow(["bitonicx"], large, Run(scale=4)) == ["bitonicx (about 6 min)"]
    assert slow(None, [Image(np.zeros((1, 16, 16), np.float32))] * 2, Run()) == []


@pytest.mark.parametrize("space", [(20, 24), (12, 14, 10)])
def test_notebooks_show_a_picture(space: tuple[int, ...]) -> None:
    bright = np.zeros((1, *space), np.float32)
    bright[0, : space[0] // 2] = 1
    shown = Pillow.open(memory.BytesIO(Fused(Image(bright), None, {"method": "mean"})._repr_png_()))
    assert shown.format == "PNG"
    levels = np.asarray(shown.convert("L"))
    assert 0.1 < (levels > 250).mean() < 0.7


def test_without_matplotlib_the_uncertainty_is_kept_and_its_picture_is_missed_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = Image(np.linspace(0, 1, 48 * 48, dtype=np.float32).reshape(1, 48, 48))
    fused = Fused(picture, picture.with_pixels(picture.pixels / 10), {"notes": []})
    fused.save(tmp_path / "fused.png")
    assert sorted(path.suffix for path in tmp_path.glob("fused-uncertainty*")) == [".png"]
    assert not (tmp_path / "fused-uncertainty-map.png").exists()
    written = json.loads((tmp_path / "fused.png.json").read_text())
    assert any("trifuse[plot]" in note for note in written["notes"])
    assert fused._repr_png_() is None
