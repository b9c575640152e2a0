"""An upsampler: every pixel becomes a block of equal ones."""

from __future__ import annotations

from torch import Tensor

from trifuse.core.random import Random
from trifuse.upsamplers.base import Card, Upsampler


def magnify(x: Tensor, scale: int, random: Random) -> Tensor:
    """See `Upsampler.magnify`."""
    for axis in range(2, x.ndim):
        x = x.repeat_interleave(scale, axis)
    return x


NEAREST = Upsampler(Card("nearest", "nearest neighbour", dims=frozenset({2, 3})), magnify)
