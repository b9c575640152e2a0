"""The plain mean of the sources: the baseline that every method must beat."""

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
class Mean:
    r"""Pixelwise mean, \(F = \frac{1}{N} \sum_k S_k\), for any number of sources, slices and volumes."""

    card: ClassVar[Card] = Card(
        name="mean",
        title="Mean",
        summary="Pixelwise mean of the sources: keeps everything, at 1/N of its contrast.",
        dims=frozenset({2, 3}),
        cost=Cost(per_pixel=4, per_source=4, seconds=0.05),
    )

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Mean over the sources; see `Method.fuse`."""
        return Estimate(torch.stack(list(sources)).mean(dim=0))
