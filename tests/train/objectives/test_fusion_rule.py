"""The task of the learned fusing rule, and that its weights are the condition's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.objectives.test_diffusion import analytic as diffusion_recipe
from trifuse.core.errors import InputError, WeightsError
from trifuse.diffusion import learned
from trifuse.diffusion.model import load as load_model
from trifuse.nets.source_sr import SourceSR
from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.export import write
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: rule
seed: 1
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: fusion-rule, width: 8, truth: {{method: mean}}, squares: 4, square: 40, cache: cache{upsampler}}}
loss: {{l1: 0, mse: 1, ssim: 0.01}}
schedule: {{steps: {steps}, learning_rate: 3.0e-3, batch: 4, warmup: 1, sides: {{2: 40, 4: 40}}, ema: 0.5, clip: 1,
  check_every: {steps}, log_every: 1}}
"""

TERMS = ("gain", "l1", "mse", "ssim")


def recipe(table: Path, steps: int = 2, upsampler: bool = True) -> Path:
    """A recipe with the mean as the analytic fusion, of sources that an untrained network enlarged."""
    torch.manual_seed(0)
    weights = write(table.parent / "up.safetensors", SourceSR(8, 1, 4, (2, 4)).state_dict(), {"network": "source-sr"})
    path = table.parent / "rule.yaml"
    named = f', upsampler: "{weights}"' if upsampler else ""
    path.write_text(RECIPE.format(table=table, steps=steps, upsampler=named))
    return path


def test_a_rule_is_learned(table: Path, tmp_path: Path) -> None:
    # The truth is the mean, so that the brightest source, which training begins towards, is unlearned.
    path = recipe(table, steps=30)
    before = objective_of(load(path))
    begun = before.validate(before.network)
    measured = train(path, tmp_path / "run")
    assert measured.keys() == begun.keys() == {f"{x} {term}" for x in ("x2", "x4") for term in TERMS}
    assert measured["x2 gain"] > begun["x2 gain"] + 0.3
    assert measured["x4 gain"] > begun["x4 gain"] + 0.3
    assert measured["x4 mse"] < begun["x4 mse"] - 5


class Unchanged(torch.nn.Module):
    """A rule that keeps the analytic fusion."""

    def forward(self, sources: object, closed: torch.Tensor, brightest: object, scale: int) -> torch.Tensor:
        return closed


def test_terms_are_relative_to_the_analytic_fusion(table: Path) -> None:
    task = objective_of(load(recipe(table)))
    losses = task.losses(Unchanged(), task.batch(Draw(0, 0, 0)), 0)
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(
        {"loss": 1.01, "l1": 1, "mse": 1, "ssim": 1}
    )


def test_weights_are_those_of_the_condition(table: Path, tmp_path: Path) -> None:
    path = recipe(table)
    train(path, tmp_path / "run")
    task = objective_of(load(path))
    stack = torch.from_numpy(np.array(task.held_out.whole(0, 2))).float()[None] / 255
    said = learned.corrected(stack[:, :12], 2, checkpoint=str(tmp_path / "run" / "rule.safetensors"))
    assert 0 < (said - stack[:, 9:12]).abs().mean() < 0.1
    saved = torch.load(tmp_path / "run" / "checkpoint.pt")
    task.network.load_state_dict(saved["ema"])
    sheet = task.pictures(task.network)
    assert sheet is not None
    assert np.abs(sheet[:, :48, 48:96] - said[0].numpy() * 255).max() <= 0.51


def test_a_diffusion_may_be_relative_to_the_corrected_fusion(table: Path, tmp_path: Path) -> None:
    train(recipe(table), tmp_path / "run")
    rule = tmp_path / "run" / "rule.safetensors"
    plain = objective_of(load(diffusion_recipe(table)))
    path = diffusion_recipe(table, f', rule: "{rule}"')
    task = objective_of(load(path))
    assert plain.held_out is not None
    assert task.held_out is not None
    before, after = (each.held_out.whole(0, 2).astype(int) for each in (plain, task))  # type: ignore[union-attr]
    assert np.array_equal(np.delete(before, range(9, 12), 0), np.delete(after, range(9, 12), 0))
    assert 0 < np.abs(before[9:12] - after[9:12]).mean() < 25
    train(path, tmp_path / "diffusion")
    assert load_model(tmp_path / "diffusion" / "small.safetensors").behaviour.conditions == ("learned-rule",)


def test_batches_follow_from_seed_and_step(table: Path) -> None:
    path = recipe(table)
    first, again = (objective_of(load(path)).batch(Draw(1, 3)) for _ in range(2))
    assert torch.equal(first["stack"], again["stack"])
    assert first["stack"].shape == (4, 15, 40, 40)
    assert int(first["scale"]) == 4


def test_it_needs_an_upsampler(table: Path) -> None:
    with pytest.raises(InputError, match=r"model\.upsampler"):
        objective_of(load(recipe(table, upsampler=False))).batch(Draw(0, 0))


def test_the_official_layout_has_no_sharp_sources(table: Path) -> None:
    path = recipe(table)
    text = path.read_text().replace(
        f'{{kind: tables, tables: ["{table}"]}}', "{kind: official, train: d, low: 8, high: 16}"
    )
    path.write_text(text)
    with pytest.raises(InputError, match="official layout"):
        objective_of(load(path)).batch(Draw(0, 0))


def test_absent_weights_of_a_rule_are_an_error() -> None:
    with pytest.raises(WeightsError):
        learned.corrected(torch.rand(1, 12, 8, 8), 2, checkpoint="nowhere")
