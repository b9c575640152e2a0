"""Checkpoints of untrained networks, so that methods can be run where no trained weights are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trifuse.core.random import Random
from trifuse.fusion.adapt import run
from trifuse.fusion.settings import Run
from trifuse.methods.base import Method


def checkpoint(build: Callable[[], nn.Module], folder: Path, **further: Tensor) -> str:
    """Path of a file with the weights that `build` makes, the same at each call, and `further` entries."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = build().state_dict()
    path = folder / "untrained.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()} | further, path)
    return str(path)


def pictures(count: int, *size: int, channels: int = 1) -> list[Tensor]:
    """Smooth random pictures `(1, channels, *size)` in 0..1."""
    noise = torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    return [picture[None] for picture in smooth]


def fused(method: Method, sources: list[Tensor]) -> Tensor:
    """What the method makes of the sources on the whole route."""
    return run(method, sources, Run(), Random()).mean.clone()
