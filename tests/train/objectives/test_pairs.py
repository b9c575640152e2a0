"""The dual-modal networks learn, go on where they stopped, and their weights are those of the methods."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.train.conftest import broken_off
from trifuse.core.errors import InputError
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.methods.base import configure
from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.export import read, restore, write
from trifuse.train.losses.black import lifted
from trifuse.train.losses.derivatives import derivatives
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: small
seed: 1
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: {task}{model}}}
schedule: {{steps: {steps}, batch: 1, warmup: 1, learning_rate: 1.0e-3, sides: {{1: {side}}},
  check_every: 1, log_every: 1}}
"""
SIDES = {"u2fusion": 24, "dilran": 24, "cddfuse": 24, "swinfuse": 28, "tgfuse": 128}
MODELS = {
    "cddfuse": ", first_stage: 1",
    "swinfuse": ", depth: 2, structure: 10",
    "tgfuse": ", spatial_width: 16, first_stage: 1",
}


def recipe(table: Path, task: str, steps: int = 2, model: str | None = None) -> Path:
    path = table.parent / f"{task}{steps}.yaml"
    settings = MODELS.get(task, "") if model is None else model
    path.write_text(RECIPE.format(table=table, task=task, model=settings, steps=steps, side=SIDES[task]))
    return path


@pytest.mark.parametrize("task", SIDES)
def test_trained_weights_are_those_of_the_method(table: Path, tmp_path: Path, task: str) -> None:
    measured = train(recipe(table, task), tmp_path / "run")
    assert measured.keys() == {"ssim", "vif", "qabf"}
    weights = tmp_path / "run" / "small.safetensors"
    state, metadata = read(weights)
    assert metadata["network"] == task
    assert not any("critics" in key for key in state)
    method = configure(get(task), {"weights": str(weights)})
    pair = [torch.rand(1, 1, 30, 35, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    with torch.inference_mode():
        fused = method.fuse(pair, scale=1, random=Random()).picture
    image = fused if isinstance(fused, torch.Tensor) else fused.mean
    assert image.shape == (1, 1, 30, 35)
    assert torch.isfinite(image).all()


@pytest.mark.parametrize("task", ["tgfuse", "cddfuse"])
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(table: Path, tmp_path: Path, task: str) -> None:
    train(recipe(table, task, 2), tmp_path / "whole")
    broken_off(recipe(table, task, 2), tmp_path / "broken", after=1)
    train(recipe(table, task, 2), tmp_path / "broken", resume=True)
    whole, broken = (torch.load(tmp_path / run / "checkpoint.pt")["net"] for run in ("whole", "broken"))
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())


@pytest.mark.parametrize("task", ["u2fusion", "dilran", "swinfuse"])
def test_losses_fall(table: Path, task: str) -> None:
    objective = objective_of(load(recipe(table, task)))
    batch = objective.batch(Draw(0, 0))
    optimiser = torch.optim.Adam(objective.network.parameters(), 1e-3)
    values = []
    for _ in range(6):
        loss = objective.losses(objective.network, batch, 0)["loss"]
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.95 * values[0]


def test_the_critics_oppose_the_generator(table: Path) -> None:
    objective = objective_of(load(recipe(table, "tgfuse", model=", spatial_width: 16, perceptual: [1, 1]")))
    batch = objective.batch(Draw(0, 0))
    before = objective.losses(objective.network, batch, 0)
    before["loss"].backward()  # type: ignore[no-untyped-call]
    critics = [
        p for name, p in objective.network.named_parameters() if name.startswith("critics.") and p.grad is not None
    ]
    with torch.no_grad():
        for parameter in critics:
            assert parameter.grad is not None
            parameter -= 1e-3 * parameter.grad / parameter.grad.norm().clamp_min(1e-9)
    after = objective.losses(objective.network, batch, 0)
    assert float(after["critics"]) > float(before["critics"])  # they see the fused image farther from the sources
    assert critics


def test_training_goes_on_from_exported_weights_with_new_critics(table: Path, tmp_path: Path) -> None:
    objective = objective_of(load(recipe(table, "tgfuse")))
    exported = write(tmp_path / "tgfuse.safetensors", objective.network.state_dict(), {})
    later = objective_of(load(recipe(table, "tgfuse")))
    with torch.no_grad():
        for parameter in later.network.parameters():
            parameter.zero_()
    restore(later.network, exported)
    first = dict(objective.network.named_parameters())
    for name, value in later.network.named_parameters():
        if name.startswith("critics."):
            assert not value.any(), name
        else:
            assert torch.equal(value, first[name]), name


def test_cddfuse_learns_in_two_stages(table: Path) -> None:
    objective = objective_of(load(recipe(table, "cddfuse")))
    batch = objective.batch(Draw(0, 0))
    objective.losses(objective.network, batch, 0)["loss"].backward()  # type: ignore[no-untyped-call]
    fusing = [p for name, p in objective.network.named_parameters() if "FuseLayer" in name]
    assert all(parameter.grad is None for parameter in fusing)
    objective.losses(objective.network, batch, 1)["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in fusing)


def test_derivatives_see_edges_and_their_direction() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = 1
    fine, coarse = derivatives(image, 2)
    assert (fine.shape, coarse.shape) == ((1, 8, 16, 16), (1, 8, 8, 8))
    strength = fine.amax(dim=(0, 2, 3))
    assert strength[0] == 0.5  # dark to bright, left to right
    assert strength[4] == 0
    assert strength[1] == 0  # nothing changes from top to bottom


def test_single_pictures_are_no_pairs(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    text = RECIPE.format(table="x", task="dilran", model="", steps=1, side=16)
    path.write_text(text.replace('{kind: tables, tables: ["x"]}', "{kind: official, train: data, low: 8, high: 16}"))
    with pytest.raises(InputError, match="dual-modal networks learn from"):
        objective_of(load(path)).batch(Draw(0, 0))


@pytest.mark.parametrize("loss", ["paper", "regional"])
def test_cddfuse_in_mixed_precision_learns_what_it_does_in_full(table: Path, loss: str) -> None:
    def gradients(precision: torch.dtype | None) -> torch.Tensor:
        objective = objective_of(load(recipe(table, "cddfuse", model=f", residual: false, loss: {loss}")))
        batch = objective.batch(Draw(0, 0))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is not None):
            total = objective.losses(objective.network, batch, 0)["loss"]
        assert total.dtype == torch.float32
        total.backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.flatten() for p in objective.network.parameters() if p.grad is not None])

    full, mixed = gradients(None), gradients(torch.bfloat16)
    assert float(torch.nn.functional.cosine_similarity(full, mixed, dim=0)) > 0.99


@pytest.mark.parametrize("task", ["u2fusion", "dilran", "swinfuse", "tgfuse"])
def test_the_regional_loss_joins_the_papers_own_and_is_learned_from(table: Path, task: str) -> None:
    plain = {"swinfuse": ", depth: 1, structure: 10", "tgfuse": ", spatial_width: 16, first_stage: 9"}.get(task, "")
    own, joined = (objective_of(load(recipe(table, task, model=f"{plain}, regional: {weight}"))) for weight in (0, 20))
    batch = own.batch(Draw(0, 0))
    before = joined.losses(joined.network, batch, 0)
    paper = float(own.losses(own.network, batch, 0)["loss"].detach())
    assert float(before["loss"].detach()) == pytest.approx(paper + 20 * float(before["regional"]), rel=1e-4)
    before["loss"].backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in joined.network.named_parameters() if p.grad is not None}
    own.losses(own.network, batch, 0)["loss"].backward()  # type: ignore[no-untyped-call]
    alone = {name: p.grad for name, p in own.network.named_parameters() if p.grad is not None}
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    assert any(not torch.allclose(gradient, alone[name], rtol=0.01) for name, gradient in gradients.items())


@pytest.mark.parametrize("task", ["swinfuse", "tgfuse"])
def test_what_shows_where_all_is_black_costs(table: Path, task: str) -> None:
    plain = {"swinfuse": ", depth: 1", "tgfuse": ", spatial_width: 16, first_stage: 9"}[task]
    own, joined = (objective_of(load(recipe(table, task, model=f"{plain}, black: {weight}"))) for weight in (0, 7))
    batch = dict(own.batch(Draw(0, 0)))
    batch["first"][..., :8], batch["second"][..., :8] = 0, 0
    terms = joined.losses(joined.network, batch, 0)
    paper = float(own.losses(own.network, batch, 0)["loss"].detach())
    assert float(terms["black"]) > 0
    assert float(terms["loss"].detach()) == pytest.approx(paper + 7 * float(terms["black"]), rel=1e-4)


def test_black_is_where_every_source_is_black() -> None:
    first, second, fused = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.3)
    first[0, 0, 0, 0], second[0, 0, 0, 1] = 0.5, 0.5
    fused[0, 0, 1, 1] = -0.1
    assert float(lifted(fused, first, second)) == pytest.approx(0.2)
    assert float(lifted(fused, first + 1, second)) == 0
