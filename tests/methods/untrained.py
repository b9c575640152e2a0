"""Checkpoints of untrained networks, so that methods can be run where no trained weights are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trifuse import weights
from trifuse.core.errors import WeightsError
from trifuse.core.random import Random
from trifuse.fusion.adapt import run
from trifuse.fusion.settings import Run
from trifuse.methods import get
from trifuse.methods.base import Method
from trifuse.nets.cddfuse import CDDFuse
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected
from trifuse.nets.dilran import DILRAN
from trifuse.nets.swinfuse import SwinFuse
from trifuse.nets.tgfuse import TGFuse
from trifuse.nets.u2fusion import U2Fusion

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cddfuse": CDDFuse,
    "tgfuse": partial(TGFuse, 64),
    "u2fusion": U2Fusion,
    "swinfuse": SwinFuse,
    "dilran": DILRAN,
    "dc2fusion": lambda: DC2FusionCorrected(12, (1, 1)),
}
"""Method -> a network that its option `weights` takes; one that ships no weights needs its line here."""

FOLDER = TemporaryDirectory(prefix="trifuse-untrained-")


@lru_cache
def random_weights(name: str) -> str:
    """Path of random weights for a method's network, the same at each call."""
    assert name in NETWORKS, f"{name} has no weights at hand: say in {__name__}.NETWORKS which network it takes"
    folder = Path(FOLDER.name) / name
    folder.mkdir()
    return checkpoint(NETWORKS[name], folder)


def has_weights(name: str) -> bool:
    """Whether a method needs no weights, or those that it takes by itself are at hand."""
    wanted = get(name).card.weights
    try:
        return wanted is None or weights.path(wanted).is_file()
    except WeightsError:
        return False


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
