"""DC2Fusion: two volumes fused in 3D by a transformer whose streams look at each other, a little aside where needed.

Source: Liu, Fan, Zhang, Dai, Xie, Liang, "Three-Dimensional Medical Image Fusion with Deformable Cross-Attention",
ICONIP 2023, arXiv 2310.06291; `variant=reference` as in the authors' program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse.core.cost import Cost
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option
from trifuse.nets import dc2fusion, dc2fusion_corrected
from trifuse.nets.sliding import positions, windowed
from trifuse.nets.state import trained

Variant = Literal["corrected", "reference"]
Strategy = Literal["l1nw", "al1nw", "fl1n", "fer", "addition", "average"]

WEIGHTS = "dc2fusion"
"""Name of the weights that are taken unless others are given."""
ONE_PASS = 160**3
"""Voxels up to which a volume is fused in one pass unless the user says otherwise."""
USUAL_WINDOW = 128
PERIOD = {"corrected": 16, "reference": 64}
"""Voxels after which the grid of patches, merges and windows repeats (the corrected network has two stages)."""
BYTES_PER_VOXEL = {"corrected": 350, "reference": 270}
"""Memory that one pass takes at its peak, measured (`python -m benchmarks dc2fusion`)."""


@method
@dataclass(frozen=True)
class DC2Fusion:
    """Fuses two grey volumes; the corrected network says for each voxel how much of the first one is seen."""

    card: ClassVar[Card] = Card(
        name="dc2fusion",
        title="DC2Fusion",
        summary="A 3D transformer compares two volumes, such as MR and PET, in small windows that may be displaced, "
        "and blends them voxel by voxel.",
        cites=("liu2023dc2fusion",),
        paper="Liu, Fan, Zhang, Dai, Xie, Liang, Three-Dimensional Medical Image Fusion with Deformable "
        "Cross-Attention, ICONIP 2023, arXiv 2310.06291",
        sources=(2, 2),
        dims=frozenset({3}),
        weights=WEIGHTS,
        notes="The original scrambles the features of the other volume, norms batches with an epsilon as large as the "
        "number of channels, and scales its result with the number of voxels; no weights were published. "
        "variant=corrected (default) does what the paper describes, for volumes of any size, with weights of ours; "
        "variant=reference equals the authors' program and takes a checkpoint of it. Give the anatomical volume first: "
        "our weights show the second one where it stands out and the first one has nothing, and the first elsewhere; "
        "weights=dc2fusion-blend, by the paper's terms, are nearly a fixed blend of two thirds. Volumes of more than "
        "160^3 voxels go in overlapping windows of 128^3 (-O window=N sets others): the maps before the fusion rule "
        "are blended, the rule is applied once to the "
        "whole; docs/dc2fusion.md says what windows change. A mean of decibels over two sources is the higher the more "
        "a picture leans to one of them: look at the figure of each source.",
        cost=Cost(seconds=15),
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    variant: Variant = field(default="corrected", metadata={"help": "the paper's network, or the authors' program"})
    strategy: Strategy = field(default="l1nw", metadata={"help": "fusion rule (reference only)"})
    window: int = option(0, "side of the windows in voxels; 0: one pass up to 160^3 voxels", at_least=0)

    def __post_init__(self) -> None:
        period = PERIOD[self.variant]
        if self.window % (2 * period) or self.window < 0:
            raise OptionError(f"method dc2fusion: window={self.window} is no multiple of {2 * period}; give 0 or one")

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses two grey sources `(B, 1, D, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        x, other = sources
        window = self.window_of(x.shape[2:])
        if self.variant == "corrected":
            net = trained(dc2fusion_corrected.from_state, self.weights or WEIGHTS, self.card.name).to(x.device)
            share = windowed(net, [x, other], window, window // 2)
            return Estimate(share * x + (1 - share) * other)
        if not self.weights:
            raise WeightsError(
                "method dc2fusion: no weights of the authors' program were published; give a checkpoint: "
                "--option weights=FILE"
            )
        program = trained(dc2fusion.from_state, self.weights, self.card.name).to(x.device)
        maps = windowed(lambda *pair: cropped(program(*pair), pair[0]), [x, other], window, window // 2)
        return Estimate(RULES[self.strategy](torch.stack(maps.float().chunk(2, dim=1))))

    def window_of(self, space: Sequence[int]) -> int:
        """Side of the windows for a volume of this size; 0 for one pass."""
        window = self.window or (USUAL_WINDOW if prod(space) > ONE_PASS else 0)
        return window if any(n > window for n in space) else 0

    def peak_bytes(self, space: Sequence[int]) -> int:
        """Memory that fusing one volume of this size takes at its peak, estimated; windows bound it."""
        window = self.window_of(space)
        seen = prod(min(n, window) for n in space) if window else prod(space)
        kept = 20 * prod(space) if window else 0
        return BYTES_PER_VOXEL[self.variant] * seen + kept

    def passes(self, space: Sequence[int]) -> int:
        """Number of windows that a volume of this size takes."""
        window = self.window_of(space)
        return prod(len(positions(n, window, window // 2)) for n in space) if window else 1


def cropped(maps: Tensor, like: Tensor) -> Tensor:
    """The part of `(B, C, D', H', W')` that lies on the volume `like`."""
    depth, height, width = like.shape[2:]
    return maps[:, :, :depth, :height, :width]


def fl1n(maps: Tensor) -> Tensor:
    r"""\(\sum_i w_i f_i\), \(w_i = \|f_i\|_1 / \sum_j \|f_j\|_1\)."""
    norms = _l1(maps)
    return (maps * norms / norms.sum()).sum(dim=0)


def l1nw(maps: Tensor) -> Tensor:
    r"""\(\sum_i \|f_i\|_1 f_i\): neither normalised nor independent of batch and size, as in the original."""
    return (maps * _l1(maps)).sum(dim=0)


def fer(maps: Tensor) -> Tensor:
    r"""Feature energy ratio: \(\sum_i f_i^3 / \sum_i f_i^2\), 0 where all are 0."""
    energy = maps.square().sum(dim=0)
    return maps.pow(3).sum(dim=0) / torch.where(energy == 0, 1.0, energy)


def _l1(maps: Tensor) -> Tensor:
    norms = maps.abs().flatten(1).sum(dim=1)
    return norms.view(-1, *[1] * (maps.ndim - 1))


RULES: dict[Strategy, Callable[[Tensor], Tensor]] = {
    "l1nw": l1nw,
    "al1nw": lambda maps: l1nw(maps) / 2,
    "fl1n": fl1n,
    "fer": fer,
    "addition": lambda maps: maps.sum(dim=0),
    "average": lambda maps: maps.mean(dim=0),
}
"""Fusion rules of maps `(2, B, ...)` -> `(B, ...)`; norms are over the whole map, batch included."""
