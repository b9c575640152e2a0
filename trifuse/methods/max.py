"""The pixelwise maximum of the sources: whoever shines brightest wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trifuse.core.cost import Cost
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method


@method
@dataclass(frozen=True)
class Max:
    r"""Pixelwise maximum, \(F = \max_k S_k\), for any number of sources, slices and volumes."""

    card: ClassVar[Card] = Card(
        name="max",
        title="Maximum",
        summary="Pixelwise maximum of the sources: keeps bright structures, hides dark ones.",
        dims=frozenset({2, 3}),
        cost=Cost(per_pixel=4, per_source=4, seconds=0.05),
    )

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Maximum over the sources; see `Method.fuse`."""
        return Estimate(torch.stack(list(sources)).amax(dim=0))
