"""The diffusion tasks: what the network sees, what it learns, and that its weights are the method's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.conftest import made, save
from tests.train.data.test_official import folders
from trifuse.core.errors import InputError
from trifuse.core.random import Random
from trifuse.diffusion.model import load as load_model
from trifuse.nets.source_sr import SourceSR
from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.export import write
from trifuse.train.levels import NOISIEST
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: small
seed: 1
data: {data}
model: {{task: {task}, channels: 8, multipliers: [1, 2], norm_groups: 4, {model}}}
loss: {{l1: 1, mse: 5, ssim: 0.1}}
schedule: {{steps: 3, batch: 2, warmup: 1, sides: {sides}, check_every: 3, log_every: 1}}
"""


def recipe(folder: Path, *, data: str, task: str = "tfs-diff", model: str, sides: str = "{2: 32, 4: 32}") -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(data=data, task=task, model=model, sides=sides))
    return path


def analytic(table: Path, extra: str = "") -> Path:
    """A recipe with the mean as the analytic fusion and an untrained upsampler."""
    torch.manual_seed(0)
    weights = write(table.parent / "up.safetensors", SourceSR(8, 1, 4, (2, 4)).state_dict(), {"network": "source-sr"})
    return recipe(
        table.parent,
        data=f'{{kind: tables, tables: ["{table}"]}}',
        model=f'truth: {{method: mean}}, squares: 4, square: 40, upsampler: "{weights}", cache: cache{extra}',
    )


def test_stacks_hold_enlarged_sources_their_fusion_and_the_truth(table: Path) -> None:
    task = objective_of(load(analytic(table)))
    assert task.held_out is not None
    stack = task.held_out.whole(0, 2).astype(float)
    assert stack.shape == (15, 48, 48)
    sources = [made(4)[k].astype(float) for k in range(3)]
    assert np.abs(stack[9:12].mean() - stack[:9].mean()) < 12  # the mean of what was enlarged
    assert np.abs(stack[12:].mean() - np.mean([s.mean() for s in sources])) < 12
    assert np.array_equal(stack[0], stack[1])  # grey stays grey


def test_batches_follow_from_seed_and_step_and_come_from_the_cache(table: Path) -> None:
    first = objective_of(load(analytic(table)))
    batch = first.batch(Draw(1, 4))
    files = {path.name: path.stat().st_mtime_ns for path in (table.parent / "cache").iterdir()}
    again = objective_of(load(analytic(table))).batch(Draw(1, 4))
    assert all(torch.equal(value, again[name]) for name, value in batch.items())
    assert files == {path.name: path.stat().st_mtime_ns for path in (table.parent / "cache").iterdir()}
    assert batch["condition"].shape == (2, 12, 32, 32)
    assert batch["level"].min() >= NOISIEST


def test_pictures_of_one_step_are_learned_with_the_noise_they_begin_with(table: Path) -> None:
    task = objective_of(load(analytic(table, ", pure_noise: 0.5, temperature: {2: 0, 4: 0.5}")))
    deviations: dict[tuple[int, bool], list[float]] = {}
    for step in range(12):
        batch = task.batch(Draw(1, step))
        for level, noise in zip(batch["level"], batch["noise"], strict=True):
            deviations.setdefault((2 if step % 2 == 0 else 4, bool(level == NOISIEST)), []).append(float(noise.std()))
    wanted = {(2, True): 0.0, (4, True): 0.5, (2, False): 1.0, (4, False): 1.0}
    assert {key: float(np.mean(found)) for key, found in deviations.items()} == pytest.approx(wanted, abs=0.03)


def test_an_untrained_network_says_nearly_the_analytic_fusion(table: Path) -> None:
    task = objective_of(load(analytic(table)))
    assert task.held_out is not None
    condition = torch.from_numpy(np.array(task.held_out.whole(0, 2)[None, :-3])).float() / 127.5 - 1
    said = task.one_step(task.network.eval(), condition, 2)
    assert (said - (condition[:, -3:] + 1) / 2).abs().max() < 0.1


@pytest.mark.parametrize("scope", ["condition", "input", "none"])
def test_trained_weights_are_those_of_the_method(table: Path, tmp_path: Path, scope: str) -> None:
    path = analytic(table, f", se_scope: {scope}")
    output = tmp_path / "run"
    train(path, output)
    model = load_model(output / "small.safetensors")
    assert model.behaviour.conditions == ("learned-bitonicx",)
    assert (model.condition_channels, model.image_channels) == (12, 3)
    assert model.shape.config.se_scope == scope
    task = objective_of(load(path))
    saved = torch.load(output / "checkpoint.pt")
    task.network.load_state_dict(saved["ema"])
    assert task.held_out is not None
    condition = torch.from_numpy(np.array(task.held_out.whole(0, 2)[None, :-3])).float() / 127.5 - 1
    assert model.behaviour.deviation == task.deviation
    drawn = (model.sample(condition, Random(1), scale=2).clamp(-1, 1) + 1) / 2
    assert (drawn - task.one_step(task.network.eval(), condition, 2)).abs().mean() < 0.01


def test_bicubic_condition_is_the_papers(table: Path, tmp_path: Path) -> None:
    data = f'{{kind: tables, tables: ["{table}"]}}'
    path = recipe(
        tmp_path, data=data, model="condition: bicubic, truth: {method: mean}, squares: 4, square: 40, cache: cache"
    )
    task = objective_of(load(path))
    assert task.batch(Draw(0, 0))["condition"].shape == (2, 9, 32, 32)
    assert task.behaviour.base == "brightest"
    assert task.behaviour.conditions == ("sources",)


def test_sr3_learns_from_single_pictures(table: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, data=f'{{kind: tables, tables: ["{table}"]}}', task="sr3", model="pure_noise: 0.5")
    measured = train(path, tmp_path / "run")
    assert measured["x2 psnr"] > 10
    model = load_model(tmp_path / "run" / "small.safetensors")
    assert (model.condition_channels, model.image_channels) == (3, 3)


def test_an_official_layout_is_trained_on_as_it_lies(tmp_path: Path) -> None:
    folders(tmp_path / "data", ("a", "b", "c"))
    path = recipe(
        tmp_path,
        data="{kind: official, train: data, val: data, low: 8, high: 16}",
        model="condition: bicubic, unshuffle: 1",
        sides="{2: 16}",
    )
    assert train(path, tmp_path / "run").keys() == {"x2 psnr", "x2 gain"}


def test_given_truths_are_learned(tmp_path: Path) -> None:
    for number in range(2):
        pixels = made(number)
        for name, part in zip(("ct", "mr", "fused"), [*pixels[:2], np.full((1, 48, 48), 77, np.uint8)], strict=True):
            save(part, tmp_path / "set" / f"p{number}" / f"{name}.png")
    data = "{kind: folder, folder: set, modalities: [ct, mr], truth: fused, held_out: 0.5}"
    task = objective_of(
        load(recipe(tmp_path, data=data, model="condition: bicubic, squares: 2, square: 40, cache: cache"))
    )
    truth = task.batch(Draw(0, 0))["truth"]
    assert torch.allclose(truth, torch.full_like(truth, 77 / 127.5 - 1), atol=1e-5)


def test_the_condition_of_older_recipes_has_its_new_name(table: Path) -> None:
    assert load(analytic(table, ", condition: closed-form")).model.condition == "analytic"  # type: ignore[union-attr]


def test_the_analytic_fusion_needs_an_upsampler(table: Path) -> None:
    path = recipe(table.parent, data=f'{{kind: tables, tables: ["{table}"]}}', model="truth: {method: mean}")
    with pytest.raises(InputError, match=r"model\.upsampler"):
        objective_of(load(path)).batch(Draw(0, 0))
