"""Measures of usefulness against plain references: lesions, edges of every source, dots, background, uptake."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.stats import spearmanr
from skimage.color import rgb2lab
from typer.testing import CliRunner

import trifuse
from tests.conftest import SHARED
from trifuse.cli.app import app
from trifuse.core import palettes
from trifuse.core.errors import GridError, OptionError
from trifuse.metrics import get
from trifuse.metrics.evaluate import evaluate
from trifuse.metrics.lesion_lab import lab

Array = NDArray[np.float64]


def scene(*shape: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """A source with a bright lesion and texture, one without the lesion, and the lesion's mask."""
    rng = np.random.default_rng(0)
    grid = np.indices(shape)
    apart = np.sqrt(sum((g - n / 2) ** 2 for g, n in zip(grid, shape, strict=True)))
    head = apart < 0.45 * min(shape)
    lesion = apart < 0.12 * min(shape)
    texture = rng.normal(0, 4, shape)
    shows = np.where(head, 90 + texture + 50 * lesion, 0)
    other = np.where(head, 100 + 15 * np.sin(grid[0]), 0)
    return np.rint(shows), np.rint(other), lesion


def by_hand(x: Array, lesion: NDArray[np.bool_], sources: list[Array]) -> float:
    """CNR against a ring found by looking at every pixel."""
    inside = np.argwhere(lesion)
    brightest = max(source.max() for source in sources)
    ring = []
    for at in np.argwhere(~lesion):
        distance = np.sqrt(((inside - at) ** 2).sum(axis=1)).min()
        if 2 < distance <= 6 and max(source[tuple(at)] for source in sources) > 0.08 * brightest:
            ring.append(x[tuple(at)])
    return abs(x[lesion].mean() - np.mean(ring)) / np.std(ring)


@pytest.mark.parametrize("shape", [(40, 44), (18, 20, 16)])
def test_lesion_cnr_is_the_share_of_the_best_source(shape: tuple[int, ...]) -> None:
    shows, other, lesion = scene(*shape)
    fused = np.rint((shows + other) / 2)
    expected = by_hand(fused, lesion, [shows, other]) / by_hand(shows, lesion, [shows, other])
    assert get("lesion_cnr")(fused, [shows, other], mask=lesion) == pytest.approx(expected, rel=1e-9)
    assert get("lesion_cnr")(shows, [shows, other], mask=lesion) == 1
    assert get("lesion_cnr")(other, [shows, other], mask=lesion) < 0.3


def test_lab_is_that_of_skimage_and_colour_counts() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (50, 3)).astype(float)
    assert np.allclose(lab(rgb), rgb2lab(rgb / 255), atol=0.02)
    shows, other, lesion = scene(40, 44)
    painted = np.repeat(other[..., None], 3, axis=-1)
    painted[lesion] = (220, 60, 20)
    ratio = get("lesion_lab")(painted, [shows, other], mask=lesion)
    assert ratio > 1.5
    assert get("lesion_lab")(other, [shows, other], mask=lesion) < 0.2


def test_a_copy_of_one_source_has_a_low_worst_recall_and_a_stretch_gains_nothing() -> None:
    rng = np.random.default_rng(2)
    one, two = np.full((2, 60, 60), 50.0)
    one[10:30, 10:30] = 120
    two[35:50, 35:50] = 120
    both = np.maximum(one, two)
    copy = get("edge_recall").score(case := _case(one, [one, two]))
    assert case.mask is None
    assert copy.per_source[0] == 1
    assert copy.value == copy.per_source[1] == 0
    assert get("edge_recall")(both, [one, two]) > 0.9
    noisy = both + rng.normal(0, 3, both.shape)
    stretched = 30 + 1.4 * noisy - 42
    assert get("edge_recall")(stretched, [one, two]) == pytest.approx(get("edge_recall")(noisy, [one, two]), abs=0.02)


def _case(fused: Array, sources: list[Array]):  # type: ignore[no-untyped-def]
    from trifuse.metrics.base import case_of

    return case_of(fused, sources)


def test_recall_by_hand() -> None:
    rng = np.random.default_rng(3)
    fused, source = rng.integers(0, 256, (2, 31, 29)).astype(float)

    def steep(x: Array) -> Array:
        return np.hypot(*np.gradient(x))

    strong = steep(source) >= np.percentile(steep(source), 90)
    share = steep(fused)[strong] / steep(fused).std() >= 0.5 * steep(source)[strong] / steep(source).std()
    assert get("edge_recall")(fused, [source]) == pytest.approx(share.mean(), abs=1e-12)


def test_dots_that_no_source_has_are_counted_and_lifted_background_measured() -> None:
    shows, other, _ = scene(40, 44)
    source = np.where(shows > 0, 90.0, 0.0)
    fused = source.copy()
    fused[20, 20] -= 30
    fused[25, 20] += 9
    fused[28, 20] += 7
    fused[2, 2] = 60
    assert get("speckle")(fused, [source, source]) == 3
    assert get("speckle@head")(fused, [source, source]) == 2
    dotted = source.copy()
    dotted[21, 21] -= 1
    assert get("speckle")(fused, [source, dotted]) == 2
    assert get("background_lift")(source + 3, [source, source]) == pytest.approx(3)
    assert get("background_lift")(source, [source, other]) == 0


@pytest.mark.parametrize("name", ["atlas-pet", "atlas-spect", "hot"])
def test_uptake_is_read_back_from_an_overlay(name: str) -> None:
    grid = np.indices((64, 64)) - 32
    uptake = np.exp(-(grid**2).sum(axis=0) / 400.0)
    pet = np.moveaxis(palettes.paint(uptake, name), 0, -1) * 255
    grey = np.full((64, 64), 100.0)
    assert get("uptake_rank")(pet, [pet, grey]) > 0.99
    assert get("uptake_error")(pet, [pet, grey]) < 0.01
    washed = np.repeat(grey[..., None], 3, axis=-1)
    assert get("uptake_rank")(washed, [pet, grey]) == 0
    with pytest.raises(OptionError, match="no source is drawn in a palette"):
        get("uptake_rank")(pet, [grey])
    theirs = palettes.read(np.moveaxis(np.rint(pet), -1, 0) / 255, name).uptake
    assert spearmanr(theirs.ravel(), uptake.ravel()).statistic > 0.99


def test_the_mask_goes_to_those_that_want_it() -> None:
    shows, other, lesion = scene(40, 44)
    scores = evaluate(shows, [shows, other], metrics=["lesion_cnr", "speckle", "mse"], mask=lesion)
    assert list(scores) == ["lesion_cnr", "speckle", "mse:masked"]
    with pytest.raises(OptionError, match="--mask"):
        evaluate(shows, [shows, other], metrics=["lesion_cnr"])
    with pytest.warns(UserWarning, match="give its mask"):
        preset = evaluate(shows, [shows, other], metrics="use")
    assert {"edge_recall", "speckle", "background_lift"} <= set(preset)


def saved(folder: Path, **arrays: Array) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        Pillow.fromarray(array.astype(np.uint8)).save(folder / f"{name}.png")


def test_evaluate_and_compare_take_a_mask_file(tmp_path: Path) -> None:
    shows, other, lesion = scene(40, 44)
    saved(tmp_path, a=shows, b=other, mask=lesion * 255.0, small=lesion[:20] * 255.0)
    a, b, mask = (str(tmp_path / f"{name}.png") for name in ("a", "b", "mask"))
    run = CliRunner().invoke
    done = run(app, ["evaluate", a, "-s", a, "-s", b, "--mask", mask, "--metrics", "lesion_cnr,edge_recall", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["lesion_cnr"] == 1
    with pytest.raises(GridError, match="the mask has size 20x44"):
        trifuse.evaluate(a, sources=[a, b], metrics="use", mask=tmp_path / "small.png")
    args = ["compare", a, b, "-o", str(tmp_path / "out"), "-m", "max,mean", "--metrics", "lesion_cnr,speckle"]
    done = run(app, [*args, "--mask", mask, "--json"])
    assert done.exit_code == 0, done.output
    assert [set(row) for row in json.loads(done.stdout)["rows"]] == [{"method", "lesion_cnr", "speckle", "seconds"}] * 2


def test_folders_and_benchmarks_take_masks(tmp_path: Path) -> None:
    shows, other, lesion = scene(40, 44)
    for folder, array in (("f", other), ("a", shows), ("b", other), ("m", lesion * 255.0)):
        saved(tmp_path / folder, one=array)
    args = ["evaluate", *(str(tmp_path / "f"), "-s", str(tmp_path / "a"), "-s", str(tmp_path / "b"))]
    done = CliRunner().invoke(app, [*args, "--mask", str(tmp_path / "m"), "--metrics", "lesion_cnr", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"][0]["lesion_cnr"] < 0.3

    from trifuse.bench.recipe import Recipe
    from trifuse.bench.run import run

    for case in ("c1", "c2"):
        saved(tmp_path / case, a=shows, b=other, **({"mask": lesion * 255.0} if case == "c1" else {}))
    (tmp_path / "table.csv").write_text("case,patient,x,y\nc1,p,c1/a.png,c1/b.png\nc2,q,c2/a.png,c2/b.png\n")
    cases = {"table": "table.csv", "columns": ["x", "y"], "mask": "mask.png"}
    content = {"name": "t", "title": "t", "cases": cases, "methods": ["max"], "metrics": ["lesion_cnr", "qabf"]}
    rows = run(Recipe.model_validate(content), tmp_path, tmp_path / "out")
    assert {(row["case"], row["metric"]) for row in rows if row["metric"] in ("lesion_cnr", "qabf")} == {
        ("c1", "lesion_cnr"),
        ("c1", "qabf"),
        ("c2", "qabf"),
    }
    assert any("the case has no mask" in row["left_out"] for row in rows if row["case"] == "c2")


def test_the_classical_methods_on_people_come_out_as_measured_before() -> None:
    """Means of the first tumour slice of every test person, to one decimal place."""
    table = SHARED / "data" / "lgg2d" / "triplets.csv"
    if not table.is_file():
        pytest.skip(f"no {table} (set TRIFUSE_SHARED)")
    found: dict[str, list[tuple[float, float]]] = {"max": [], "mean": [], "flair": []}
    seen = set()
    with table.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            paths = [SHARED / "data" / row[f"path_{k}"] for k in (1, 2, 3)]
            mask = np.asarray(Pillow.open(paths[0].parent / "tumour_mask.png").convert("L")) > 0
            if row["split"] != "test" or mask.sum() <= 50 or row["patient"] in seen:
                continue
            seen.add(row["patient"])
            sources = [np.asarray(Pillow.open(path).convert("L"), dtype=float) for path in paths]
            made = {"max": np.max(sources, axis=0), "mean": np.rint(np.mean(sources, axis=0)), "flair": sources[2]}
            for name, fused in made.items():
                scores = evaluate(fused, sources, metrics=["lesion_cnr", "edge_recall"], mask=mask)
                found[name].append((scores["lesion_cnr"], scores["edge_recall"]))
    assert len(found["max"]) == 16
    shares = {name: np.median([share for share, _ in pairs]) for name, pairs in found.items()}
    recalls = {name: np.mean([recall for _, recall in pairs]) for name, pairs in found.items()}
    assert shares["flair"] == 1
    assert shares["mean"] < 0.6 < shares["max"] < 0.95
    assert recalls["flair"] < 0.7 < recalls["max"] < recalls["mean"] < 0.9
