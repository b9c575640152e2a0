"""A method: of every pixel the least value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method


@method
@dataclass(frozen=True)
class Darkest:
    """Takes the least value of the sources at every pixel."""

    card: ClassVar[Card] = Card(
        name="darkest",
        title="Pixelwise minimum",
        summary="Takes the least value of the sources at every pixel.",
        dims=frozenset({2, 3}),
    )

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """See `Method.fuse`."""
        return Estimate(torch.stack(list(sources)).amin(dim=0))
