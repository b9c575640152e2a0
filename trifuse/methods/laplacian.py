"""Laplacian pyramid fusion: at every scale the strongest detail, below them the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.cost import Cost
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Burt and Adelson's generating kernel with a = 0.375."""


def reduce(x: Tensor) -> Tensor:
    """Every other pixel of the smoothed `(B, C, H, W)`, borders replicated: sides n become (n + 1) // 2."""
    return _smoothed(x)[..., ::2, ::2]


def expand(x: Tensor, size: Sequence[int]) -> Tensor:
    """`(B, C, h, w)` spread to twice the size, zeros between, and smoothed at four times the gain; cut to `size`."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2] + 4, 2 * x.shape[3] + 4)
    spread[..., ::2, ::2] = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return 4 * _smoothed(spread)[..., 2 : 2 + size[0], 2 : 2 + size[1]]


def laplacian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """Details from fine to coarse, then the base; as many levels as the smaller side allows."""
    pyramid = []
    for _ in range(levels):
        if min(x.shape[2:]) < 2:
            break
        smaller = reduce(x)
        pyramid.append(x - expand(smaller, x.shape[2:]))
        x = smaller
    return [*pyramid, x]


def collapse(pyramid: Sequence[Tensor]) -> Tensor:
    """The image of a Laplacian pyramid: the inverse of `laplacian_pyramid`."""
    x = pyramid[-1]
    for detail in reversed(pyramid[:-1]):
        x = detail + expand(x, detail.shape[2:])
    return x


def _smoothed(x: Tensor) -> Tensor:
    kernel = x.new_tensor(KERNEL)
    flat = functional.pad(x.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="replicate")
    flat = functional.conv2d(functional.conv2d(flat, kernel.view(1, 1, 5, 1)), kernel.view(1, 1, 1, 5))
    return flat.view(*x.shape[:2], *flat.shape[2:])


@method
@dataclass(frozen=True)
class Laplacian:
    """Laplacian pyramids fused by the largest detail and the mean base, for any number of sources."""

    card: ClassVar[Card] = Card(
        name="laplacian",
        title="Laplacian pyramid",
        summary="Strongest detail at every scale, mean of what is coarser: the classical multi-scale fusion.",
        cites=("burt1983laplacian",),
        paper="Burt, Adelson: The Laplacian Pyramid as a Compact Image Code. IEEE Trans. Commun. 1983",
        notes=(
            "The detail of the largest size wins (the first source on a tie), the base is the mean of all. "
            "levels is the most; an image whose side shrinks to one pixel gets fewer."
        ),
        cost=Cost(per_pixel=60, per_source=70, seconds=0.5),
    )
    levels: int = option(4, "number of detail levels", at_least=1)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fused `(B, 1, H, W)`, not clipped; see `Method.fuse`."""
        *details, bases = [
            torch.stack(levels)
            for levels in zip(*(laplacian_pyramid(source, self.levels) for source in sources), strict=True)
        ]
        return Estimate(collapse([*(_strongest(detail) for detail in details), bases.mean(dim=0)]))


def _strongest(details: Tensor) -> Tensor:
    """Of `(N, B, C, H, W)` the value of the largest size, the first on a tie."""
    return details.gather(0, details.abs().max(dim=0, keepdim=True).indices)[0]
