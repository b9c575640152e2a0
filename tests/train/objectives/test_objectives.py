"""What holds for every objective: it takes the smallest patches that it promises, and refuses what it cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from trifuse.core.errors import InputError, WeightsError
from trifuse.filters.traces import COUNT
from trifuse.nets.source_sr import SourceSR
from trifuse.train.export import write
from trifuse.train.objectives import REGISTRY
from trifuse.train.objectives.base import Objective
from trifuse.train.recipe import load, objective_of

SMALL = {
    "source-sr": "width: 8, blocks: 1, fine: 4",
    "fusion-rule": "width: 8, upsampler: up.safetensors, square: 128",
    "tfs-diff": "channels: 8, multipliers: [1, 2], norm_groups: 4, condition: bicubic, square: 128",
    "sr3": "channels: 8, multipliers: [1, 2], norm_groups: 4",
    "unconditional": "channels: 8, multipliers: [1, 2], norm_groups: 4",
    "tgfuse": "spatial_width: 16, first_stage: 1",
    "swinfuse": "depth: 1",
    "dc2fusion": "width: 8, depths: [1, 1]",
    "degradation-judge": "upsampler: up.safetensors",
    "published-diffusion": "channels: 8, multipliers: [1, 2], norm_groups: 4, attention_levels: []",
}
PAIRS = ("cddfuse", "tgfuse", "u2fusion", "swinfuse", "dilran", "dc2fusion")


def recipe(table: Path, task: str, sides: str, model: str | None = None, loss: str = "{}") -> Path:
    """A recipe of one step beside the table."""
    weights = table.parent / "up.safetensors"
    if not weights.exists():
        write(weights, SourceSR(8, 1, 4, (2,)).state_dict(), {"network": "source-sr"})
    settings = SMALL.get(task, "") if model is None else model
    data = f'{{kind: tables, tables: ["{table}"]}}'
    if task == "published-diffusion":
        side = int(sides.split()[-1].rstrip("}"))
        data = f"{{kind: official, train: data, low: {side // 2}, high: {side}}}"
    path = table.parent / "recipe.yaml"
    path.write_text(
        f"name: small\ndata: {data}\nloss: {loss}\n"
        f"model: {{task: {task}, {settings}}}\nschedule: {{steps: 1, batch: 1, sides: {sides}}}\n"
    )
    return path


@pytest.fixture(autouse=True)
def _volumes_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table's pictures stand for the volumes of dc2fusion, which are not read here."""
    monkeypatch.setattr("trifuse.train.objectives.dc2fusion.volume_pairs", lambda *_: [])


def made_batch(objective: Objective[Any], task: str, scale: int, side: int) -> dict[str, torch.Tensor]:
    """A batch of noise, as the objective draws it."""
    random = torch.Generator().manual_seed(0)

    def noise(channels: int, size: int = side, dims: int = 2) -> torch.Tensor:
        return torch.rand(1, channels, *(size,) * dims, generator=random)

    if task in PAIRS:
        dims = 3 if task == "dc2fusion" else 2
        return {"first": noise(1, dims=dims), "second": noise(1, dims=dims)}
    level = torch.tensor([0.5], dtype=torch.float64)
    made: dict[str, dict[str, torch.Tensor]] = {
        "source-sr": {"small": noise(3, side // scale), "bicubic": noise(3), "sharp": noise(3)},
        "fusion-rule": {"stack": noise(15), "scale": torch.tensor(scale)},
        "denoiser": {"clean": noise(1), "noisy": noise(1)},
        "unconditional": {"clean": noise(1), "noise": noise(1), "level": level},
        "degradation-judge": {
            "traces": torch.zeros(1, COUNT),
            "gain": torch.ones(1),
            "weight": torch.ones(1),
            "scale": torch.tensor(scale),
        },
        "published-diffusion": {
            "condition": noise(9),
            "truth": noise(3),
            "noise": noise(3),
            "level": level,
            "time": level.float(),
        },
    }
    condition = noise(9 if task == "tfs-diff" else 3)
    diffusion = {"condition": condition, "truth": noise(3), "unit": torch.tensor(0.1), "noise": noise(3)}
    return made.get(task) or diffusion | {"level": level}


@pytest.mark.parametrize("task", REGISTRY.names())
def test_the_smallest_patches_are_taken_and_smaller_ones_refused(table: Path, task: str) -> None:
    scale = 1 if task in (*PAIRS, "unconditional", "denoiser") else 2
    patches = objective_of(load(recipe(table, task, f"{{{scale}: 128}}" if task != "swinfuse" else "{1: 56}"))).patches
    side = patches.least
    objective = objective_of(load(recipe(table, task, f"{{{scale}: {side}}}")))
    loss = objective.losses(objective.network.train(), made_batch(objective, task, scale, side), 0)["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(loss))
    with pytest.raises(InputError, match=rf"field schedule\.sides: patches need a side of at least {side}"):
        objective_of(load(recipe(table, task, f"{{{scale}: {side - scale}}}")))


@pytest.mark.parametrize(
    ("task", "sides", "model", "loss", "message"),
    [
        ("dilran", "{1: 16}", "temperature: 3", "{}", r"field model\.temperature"),
        ("dilran", "{1: 16}", "", "{ssim: 1}", r"field loss\.ssim: dilran has a loss of its own"),
        ("dilran", "{1: 15}", "", "{}", r"a multiple of 2 \(got 15\)"),
        ("cddfuse", "{2: 64, 4: 64}", "", "{}", r"field schedule\.sides: pictures are not enlarged here"),
        ("cddfuse", "{1: 12}", "loss: regional", "{}", r"at least 13 \(got 12\)"),
        ("dilran", "{1: 12}", "regional: 1", "{}", r"regional loss needs patches with a side of at least 13"),
        ("tgfuse", "{1: 64}", None, "{}", r"at least 128 and a multiple of 128 \(got 64\)"),
        ("source-sr", "{2: 16}", None, "{lpips: 1}", r"field loss\.lpips: source-sr uses l1, mse"),
        ("sr3", "{2: 16}", "rule: x", "{}", r"field model\.rule"),
        ("sr3", "{2: 16}", "channels: 12", "{}", r"field model: no such network can be built"),
        ("tfs-diff", "{2: 16, 4: 16, 8: 16}", "condition: bicubic, squares: 2", "{}", r"field model\.squares"),
        ("tfs-diff", "{2: 64}", "condition: bicubic, square: 32", "{}", r"field model\.square: patches of 64"),
        ("tfs-diff", "{2: 16}", "condition: bicubic, upsampler: x", "{}", r"field model\.upsampler: not used"),
        ("tfs-diff", "{2: 16}", "condition: learned, upsampler: up.safetensors, rule: x", "{}", r"field model\.rule"),
        ("fusion-rule", "{2: 16}", "upsampler: up.safetensors", "{velocity: 1}", r"field loss\.velocity"),
        (
            "degradation-judge",
            "{4: 40}",
            "upsampler: up.safetensors",
            "{}",
            r"sides: patches need a side of at least 64 at x4 \(got 40\)",
        ),
        ("u2fusion", "{1: 16}", "vgg: nowhere.pth", "{}", r"field model\.vgg: there is no file"),
    ],
)
def test_what_an_objective_cannot_use_is_refused(
    table: Path, task: str, sides: str, model: str | None, loss: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        objective_of(load(recipe(table, task, sides, model, loss)))


def test_weights_of_lpips_are_missed_before_anything_is_computed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFUSE_LPIPS", str(table.parent / "nowhere.npz"))
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        objective_of(load(recipe(table, "sr3", "{2: 32}", loss="{lpips: 0.1}")))


def test_every_objective_is_named_in_messages(table: Path) -> None:
    with pytest.raises(InputError, match=r"field model.*'source-sr', 'fusion-rule'"):
        load(recipe(table, "painting", "{1: 16}"))
