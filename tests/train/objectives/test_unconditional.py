"""The task of a prior: what it sees, what its weights are, and that they can be sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trifuse.core.random import Random
from trifuse.diffusion.model import load as load_model
from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: prior
seed: 2
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: unconditional, channels: 8, multipliers: [1, 2], norm_groups: 4, whole: {whole}}}
schedule: {{steps: {steps}, batch: 4, warmup: 5, learning_rate: 2.0e-3, sides: {{1: 32}},
  check_every: {steps}, log_every: 10}}
"""


def recipe(table: Path, steps: int = 2, whole: float = 0.5) -> Path:
    path = table.parent / "prior.yaml"
    path.write_text(RECIPE.format(table=table, steps=steps, whole=whole))
    return path


def test_batches_are_grey_and_follow_from_seed_and_step(table: Path) -> None:
    task = objective_of(load(recipe(table)))
    batch = task.batch(Draw(2, 5))
    again = objective_of(load(recipe(table))).batch(Draw(2, 5))
    assert batch["clean"].shape == (4, 1, 32, 32)
    assert batch["clean"].abs().max() <= 1
    assert all(torch.equal(value, again[name]) for name, value in batch.items())


def test_whole_slices_are_seen_whole(table: Path) -> None:
    whole = objective_of(load(recipe(table, whole=1))).batch(Draw(0, 0))["clean"]
    parts = objective_of(load(recipe(table, whole=0))).batch(Draw(0, 0))["clean"]
    finest = [float(np.abs(np.diff(x.numpy(), axis=3)).mean()) for x in (whole, parts)]
    assert finest[0] > finest[1]  # 48 pixels brought to 32: the same structures in fewer pixels


def test_it_learns_to_denoise(table: Path, tmp_path: Path) -> None:
    path = recipe(table, 60)
    untrained = objective_of(load(path))
    before = untrained.validate(untrained.network.eval())
    after = train(path, tmp_path / "run")
    assert after.keys() == {"psnr at 10", "psnr at 25", "psnr at 50"}
    assert after["psnr at 50"] > before["psnr at 50"] + 1


@pytest.mark.parametrize("size", [(17, 21), (32, 32)])
def test_its_weights_are_a_model_without_condition(table: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    train(recipe(table), tmp_path / "run")
    model = load_model(tmp_path / "run" / "prior.safetensors")
    assert (model.condition_channels, model.image_channels, model.behaviour.conditions) == (0, 1, ())
    with torch.inference_mode():
        drawn = model.sample(torch.empty(1, 0, *size), Random(0))
    assert drawn.shape == (1, 1, *size)
    assert torch.isfinite(drawn).all()
    assert drawn.abs().max() <= 1
