"""Every shipped weight names the recipe that makes such weights, and the recipe does: two steps of each stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from trifuse.core import shelf
from trifuse.core.random import Random
from trifuse.diffusion import learned
from trifuse.fusion import fuse
from trifuse.nets import dncnn
from trifuse.nets.degradation_judge import DegradationJudge, traces_of
from trifuse.nets.source_sr import SourceSR
from trifuse.train import plan, train
from trifuse.train.export import read
from trifuse.upsamplers import sr3
from trifuse.weights import CATALOGUE

SHIPPED = [entry for entry in CATALOGUE.values() if entry.file]
STAGES = ("", "stages.*.", "join.*.", "join.*.stages.*.")
BRIEF = {"steps": 2, "cooldown": 0, "warmup": 0, "batch": 1, "check_every": 2, "log_every": 1}
PREPARED = ("model.squares=3", "model.square=32", "schedule.sides={2: 16, 4: 16}", "model.truth.method=mean")
SMALL: dict[str, tuple[str, ...]] = {
    "source-sr": (
        "model.width=8",
        "schedule.sides={2: 16, 4: 16, 8: 16}",
        "model.volumes=null",
        *(f"join.x{scale}.schedule.sides={{{scale}: 16}}" for scale in (2, 4, 8)),
        "join.*.stages.*.model.folders=[]",
        "join.*.stages.*.schedule.precision=fp32",
    ),
    "degradation-judge": ("schedule.sides={2: 64}",),
    "tfs-diff": PREPARED,
    "tfs-diff-fast": PREPARED,
    "tfs-diff-regression": PREPARED,
    "fusion-rule": PREPARED,
    "sr3": ("schedule.sides={2: 16, 4: 16}",),
    "brain-prior": ("schedule.sides={1: 16}",),
    "dc2fusion": ("schedule.sides={1: 25}", "model.sample=1", "model.val_side=25"),
    "dc2fusion-blend": ("schedule.sides={1: 16}", "model.sample=1", "model.val_side=16"),
    "swinfuse": ("schedule.sides={1: 14}",),
    "tgfuse": ("model.first_stage=2", "model.spatial_width=16"),
    "cddfuse": ("schedule.sides={1: 16}", "stages.*.schedule.sides={1: 16}", "model.first_stage=1"),
    "dilran": ("schedule.sides={1: 16}",),
    "u2fusion": ("schedule.sides={1: 16}",),
    "dncnn-small": ("schedule.sides={1: 16}",),
}
SIDE = 24


def pictures(count: int) -> list[np.ndarray]:
    """Sources of one case."""
    return list(np.random.default_rng(0).random((count, SIDE, SIDE)).astype(np.float32))


def fused(method: str, count: int = 2, option: str = "weights", scale: int = 1) -> Callable[[Path], float]:
    """A check that a method fuses with weights."""

    def check(path: Path) -> float:
        image = fuse(pictures(count), method, scale=scale, options={option: str(path)}, seed=0).image
        assert image.space == (scale * SIDE, scale * SIDE)
        return float(image.pixels.std())

    return check


def volumes(path: Path) -> float:
    """DC2Fusion fuses volumes."""
    made = list(np.random.default_rng(0).random((2, 9, 10, 11)).astype(np.float32))
    return float(fuse(made, "dc2fusion", options={"weights": str(path)}).image.pixels.std())


def enlarged(path: Path) -> float:
    """The network that enlarges sources does, at every scale."""
    network = SourceSR.from_state(read(path)[0]).eval()
    small = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        large = [network.enlarged(small, small.repeat_interleave(s, 2).repeat_interleave(s, 3)) for s in (2, 4, 8)]
    assert [image.shape[-1] for image in large] == [16, 32, 64]
    return float(large[0].std())


def judged(path: Path) -> float:
    """The judge judges."""
    judge = DegradationJudge.from_state(read(path)[0])
    assert isinstance(judge.is_bicubic(torch.rand(1, 1, 20, 24), 4), bool)
    return float(judge(traces_of(torch.rand(1, 1, 20, 24)), 4).detach().sigmoid())


TAKEN: dict[str, Callable[[Path], float]] = {
    "degradation-judge": judged,
    "source-sr": enlarged,
    "fusion-rule": lambda path: float(learned.corrected(torch.rand(1, 12, 16, 16), 2, checkpoint=str(path)).std()),
    "sr3": lambda path: float(sr3.upsample(torch.rand(1, 3, 12, 12), 2, Random(0), checkpoint=str(path)).std()),
    "brain-prior": fused("ddfm", option="prior"),
    "dc2fusion": volumes,
    "dc2fusion-blend": volumes,
    "dncnn-small": lambda path: float(dncnn.denoise(dncnn.load(path), np.random.default_rng(0).random((9, 9))).std()),
    "tfs-diff": fused("tfs-diff", 3, scale=2),
    "tfs-diff-fast": fused("tfs-diff", 3, scale=2),
    "tfs-diff-regression": fused("tfs-diff", 3, scale=2),
}


def changes(name: str, content: Path, table: Path) -> list[str]:
    """What makes a recipe brief and lets it learn from made-up data."""
    text = content.read_text()
    made = [f"{where}schedule.{field}={value}" for where in STAGES for field, value in BRIEF.items()]
    if "lpips" in text:
        made += [f"{where}loss.lpips=0" for where in ("", "stages.*.")]
    if name.startswith("dc2fusion"):
        space = np.random.default_rng(0).random((30, 30, 30)).astype(np.float32)
        for volume in ("t1", "pet"):
            nib.save(nib.Nifti1Image(space, np.eye(4)), table.parent / f"{volume}.nii.gz")
        studies = {"kind": "studies", "folder": str(table.parent), "pairs": [["t1.nii.gz", "pet.nii.gz"]]}
        made.append("data=" + json.dumps(studies | {"train": ["."], "val": ["."]}))
    else:
        tables = json.dumps({"kind": "tables", "tables": [str(table)]})
        made += [f"{where}data={tables}" for where in ("", "join.*.stages.*.") if not where or "join:" in text]
    return [*made, *SMALL[name]]


def test_every_shipped_weight_names_a_recipe_of_its_own() -> None:
    recipes = shelf.shipped(shelf.TRAINING)
    assert len({entry.recipe for entry in SHIPPED}) == len(SHIPPED)
    for entry in SHIPPED:
        assert entry.recipe is not None
        assert plan.load(recipes[entry.recipe]).name == entry.name


@pytest.mark.parametrize("name", [entry.name for entry in SHIPPED])
def test_the_recipe_makes_weights_that_are_taken(
    name: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFUSE_SHARED", str(tmp_path))
    recipe = str(CATALOGUE[name].recipe)
    train(recipe, tmp_path / "run", changes=changes(name, shelf.shipped(shelf.TRAINING)[recipe], table))
    weights = tmp_path / "run" / f"{name}.safetensors"
    spread = TAKEN.get(name, fused(name))(weights)
    assert 0 < spread < 1
