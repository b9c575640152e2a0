"""TGFuse: features at four scales, weighted by a relation map from a channel and a spatial transformer.

Source: Rao, Wu, Xu, "TGFuse", IEEE TIP 2023 (arXiv 2201.10147); inference as in the authors' test script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from trifuse.core.cost import Cost, Tiling
from trifuse.core.random import Random
from trifuse.filters.extremes import background_kept
from trifuse.methods.base import Card, Estimate, method
from trifuse.nets.state import trained
from trifuse.nets.tgfuse import MULTIPLE, from_state
from trifuse.nets.tgfuse_tiles import PERIOD, REACH, fused_in_tiles

Padding = Literal["minimal", "reference"]
REFERENCE_TILE = 256
MID_GREY = 128.0

WEIGHTS = "tgfuse"
"""Name of the weights that are taken unless others are given."""


@method
@dataclass(frozen=True)
class TGFuse:
    """Fuses two grey images; the first is the network's visible image, the second its infrared one."""

    card: ClassVar[Card] = Card(
        name="tgfuse",
        title="TGFuse",
        summary="A convolutional encoder on four scales whose features are weighted by the relation map of two "
        "transformers, over channels and over the whole image.",
        cites=("rao2023tgfuse",),
        paper="Rao, Wu, Xu, TGFuse, IEEE Transactions on Image Processing 2023, arXiv 2201.10147",
        sources=(2, 2),
        weights=WEIGHTS,
        cost=Cost(fixed=15, per_pixel=1000, seconds=7),
        tiling=Tiling(reach=REACH, period=PERIOD, kept=60),
        notes="The order matters: give the anatomical image (MRI) first, the luma of CT, PET or SPECT second. "
        "padding=minimal (default) repeats the edges up to the next multiple of 128; padding=reference is the "
        "original's way: grey 128 below and to the right, a whole further 256 where the side is already a multiple "
        "of 256, and truncation to 8 bits. The padding reaches the whole result, since attention is global; minimal "
        "is the default because it is up to nine times faster and brings in no foreign grey; it also keeps black black "
        "(where no source is brighter than 8 % of the brightest grey, the result stays between their values there), "
        "which the network turns into grey 3. Published size: 137 "
        "million parameters (549 MB); checkpoints with a narrower spatial transformer load as well.",
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    padding: Padding = field(default="minimal", metadata={"help": "minimal, or reference as the original pads"})

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses two grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        return self.fuse_in_tiles(sources, scale=scale, random=random, side=0)

    def fuse_in_tiles(self, sources: Sequence[Tensor], *, scale: int, random: Random, side: int) -> Estimate:
        """As `fuse`, with features tile by tile; in one piece if `side` is 0."""
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        height, width = sources[0].shape[2:]
        pad = padded_reference if self.padding == "reference" else padded_minimal
        visible, infrared = (pad(source * 255) for source in sources)
        made = fused_in_tiles(net, visible, infrared, side) if side else net(visible, infrared)
        fused: Tensor = made[:, :, :height, :width].clamp(0, 255)
        if self.padding == "reference":
            return Estimate(fused.floor() / 255)
        return Estimate(background_kept(fused / 255, sources))


def padded_minimal(image: Tensor) -> Tensor:
    """`(B, 1, H, W)` extended below and to the right to multiples of 128 by repeating its edges."""
    height, width = image.shape[2:]
    return functional.pad(image, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")


def padded_reference(image: Tensor) -> Tensor:
    """`(B, 1, H, W)` in 0..255 extended with 128 by `256 - size mod 256` below and to the right."""
    height, width = image.shape[2:]
    below, right = REFERENCE_TILE - height % REFERENCE_TILE, REFERENCE_TILE - width % REFERENCE_TILE
    return functional.pad(image, (0, right, 0, below), value=MID_GREY)
