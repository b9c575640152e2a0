"""CDDFuse: correlation-driven decomposition into base and detail features, fused apart.

Source: Zhao et al., "CDDFuse", CVPR 2023; inference as in the authors' test script for medical images.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse.core.cost import Cost, Tiling
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.nets.cddfuse import from_state
from trifuse.nets.cddfuse_tiles import REACH, fused_in_tiles
from trifuse.nets.state import trained

Mode = Literal["mif", "ivf", "ivf_on_medical"]

WEIGHTS = "cddfuse"
"""Name of the weights that are taken unless others are given."""


@method
@dataclass(frozen=True)
class CDDFuse:
    """Fuses grey images by the sum of their base and of their detail features, refined and decoded."""

    card: ClassVar[Card] = Card(
        name="cddfuse",
        title="CDDFuse",
        summary="A Restormer encoder takes each image apart into shared base and private detail features; both are "
        "summed, refined and decoded. For MRI with CT, PET or SPECT.",
        cites=("zhao2023cddfuse",),
        paper="Zhao, Bai, Zhang, Zhang, Xu, Lin, Timofte, Van Gool, CDDFuse, CVPR 2023, pp. 5906-5916",
        sources=(2, 2),
        min_size=2,
        weights=WEIGHTS,
        cost=Cost(fixed=5, per_pixel=2800, per_source=600, seconds=110),
        tiling=Tiling(
            reach=REACH,
            kept=8,
            passes=1.8,
            exact="attention between channels is that of sums over all tiles, up to 1 grey level from one piece",
        ),
        notes="The first source plays the visible image (MRI), the second the infrared one (CT, PET, SPECT). "
        "The result is stretched to 0..1 by its own minimum and maximum, as in the original, which destroys absolute "
        "intensity; rescale=false keeps the network's own range. mode names what the decoder adds before its "
        "sigmoid: nothing (mif, weights for medical images), the first source (ivf), the sum of the sources "
        "(ivf_on_medical: infrared-visible weights on medical images). More than two sources are folded from left "
        "to right, so their order matters; joint=true instead sums the features of all N (times 2/N), our "
        "generalisation, which needs no other weights.",
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    mode: Mode = field(default="mif", metadata={"help": "what the decoder adds: mif, ivf or ivf_on_medical"})
    rescale: bool = field(default=True, metadata={"help": "stretch the result to 0..1, as the original does"})
    joint: bool = field(default=False, metadata={"help": "fuse all sources at once instead of folding pairs"})

    def own_card(self) -> Card:
        """Jointly it takes any number of sources."""
        return self.card.model_copy(update={"sources": (2, None)}) if self.joint else self.card

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        return Estimate(net(sources, self._residual(sources)), stretch=stretched if self.rescale else None)

    def fuse_in_tiles(self, sources: Sequence[Tensor], *, scale: int, random: Random, side: int) -> Estimate:
        """As `fuse`, tile by tile; the same attention for all."""
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        fused = fused_in_tiles(net, sources, self._residual(sources), side)
        return Estimate(fused, stretch=stretched if self.rescale else None)

    def _residual(self, sources: Sequence[Tensor]) -> Tensor | None:
        if self.mode == "mif":
            return None
        return sources[0] if self.mode == "ivf" else torch.stack(list(sources)).sum(dim=0)


def stretched(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Images `(B, 1, H, W)` from low..high to 0..1; a constant one is clipped, with a warning."""
    span = high - low
    if bool((span == 0).any()):
        warnings.warn("the fused image is constant: it is clipped to 0..1 instead of stretched", stacklevel=2)
    return torch.where(span > 0, (images - low) / span.clamp_min(torch.finfo(span.dtype).tiny), images.clamp(0, 1))
