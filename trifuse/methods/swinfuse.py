"""SwinFuse: features of a Swin transformer, blended by their L1 activity over pixels and over channels.

Source: Wang, Chen, Shao, Li, Zhang, "SwinFuse", IEEE TIM 71, 2022, section III; inference as in the authors'
test script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.cost import Cost, Tiling
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.core.tiles import cut
from trifuse.methods.base import Card, Estimate, method
from trifuse.nets.state import trained
from trifuse.nets.swinfuse import WINDOW, from_state
from trifuse.nets.swinfuse import SwinFuse as Network

TILE = 224
EPSILON = 1e-5
Strategy = Literal["l1_mean", "l2_mean", "linf"]
Variant = Literal["auto", "reference", "corrected"]

WEIGHTS = "swinfuse"
"""Name of the weights that are taken unless others are given."""


@method
@dataclass(frozen=True)
class SwinFuse:
    """Fuses two grey images by blending their features, with one weight per channel and one per pixel."""

    card: ClassVar[Card] = Card(
        name="swinfuse",
        title="SwinFuse",
        summary="A Swin transformer auto-encoder on single pixels; the features of two images are blended by their "
        "activity per channel and per pixel and decoded.",
        cites=("wang2022swinfuse",),
        paper="Wang, Chen, Shao, Li, Zhang, SwinFuse, IEEE Transactions on Instrumentation and Measurement 71, 2022",
        sources=(2, 2),
        weights=WEIGHTS,
        cost=Cost(fixed=3, per_pixel=5580, seconds=85),
        tiling=Tiling(reach=21, period=WINDOW, passes=2),
        notes="In the original each stage returns after its first block, so that 83 % of its parameters are never "
        "used and no window is shifted; it fuses tiles of 224x224 by the sum of two blends (twice the amplitude "
        "that the decoder was trained for) and stretches the result by its minimum and maximum. variant=reference "
        "keeps all that; variant=corrected runs all blocks with shifted windows on the whole image, takes the mean "
        "of the blends and keeps the range. variant=auto (default) follows the weights: reference for checkpoints "
        "of the original, whose other blocks are untrained, corrected for those trained here.",
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    variant: Variant = field(default="auto", metadata={"help": "auto (follows the weights), reference or corrected"})
    strategy: Strategy = field(default="l1_mean", metadata={"help": "activity: l1_mean, l2_mean or linf"})

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses two grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        return self.fuse_in_tiles(sources, scale=scale, random=random, side=0)

    def fuse_in_tiles(self, sources: Sequence[Tensor], *, scale: int, random: Random, side: int) -> Estimate:
        """As `fuse`, with features tile by tile; in one piece if `side` is 0. The reference has tiles of its own."""
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        is_reference = self.variant == "reference" or (self.variant == "auto" and net.stages == "first")
        route = fused_by_tiles if is_reference else partial(fused_in_parts, side=side) if side else fused_whole
        pairs = zip(*(source.chunk(len(source)) for source in sources), strict=True)
        fused = torch.cat([route(net, [2 * image - 1 for image in pair], self.strategy) for pair in pairs])
        return Estimate(fused, stretch=in_8_bits if is_reference else None)


def in_8_bits(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Images stretched from `low`..`high` to 0..1 in 8 bits, as the original does."""
    span = (high - low).clamp_min(torch.finfo(images.dtype).tiny)
    return ((images - low) / span * 255).floor() / 255


def fused_whole(net: Network, images: Sequence[Tensor], strategy: Strategy) -> Tensor:
    """The corrected route: two images `(1, 1, H, W)` in -1..1 of any size -> fused in 0..1."""
    height, width = images[0].shape[2:]
    padding = (0, -width % WINDOW, 0, -height % WINDOW)
    features = net.encode(functional.pad(torch.cat(list(images)), padding, mode="replicate"), "all")[
        :, :, :height, :width
    ]
    first, second = features.chunk(2)
    return net.decode(blended(first, second, strategy) / 2) / 2 + 0.5


def fused_in_parts(net: Network, images: Sequence[Tensor], strategy: Strategy, side: int) -> Tensor:
    """As `fused_whole`, in tiles that look at up to `side` pixels.

    The blend per channel looks at the whole image: its activity is gathered from all tiles first.
    """
    height, width = images[0].shape[2:]
    padded = functional.pad(torch.cat(list(images)), (0, -width % WINDOW, 0, -height % WINDOW), mode="replicate")
    reach = net.reach
    parts: list[tuple[Tensor, Tensor]] = []
    for tile in track(cut(padded.shape[2:], side, reach, WINDOW), "tiles, activity"):
        features = net.encode(padded[(..., *tile.seen)], "all")[(..., *tile.inner)]
        rows, columns = (min(s.stop, n) - s.start for s, n in zip(tile.made, (height, width), strict=True))
        parts.append(tuple(gathered(x.flatten(2), strategy) for x in features[:, :, :rows, :columns].chunk(2)))  # type: ignore[arg-type]
    per_channel = [whole_activity([part[k] for part in parts], height * width, strategy) for k in (0, 1)]
    fused = padded.new_empty(1, 1, *padded.shape[2:])
    for tile in track(cut(padded.shape[2:], side, reach, WINDOW), "tiles"):
        first, second = net.encode(padded[(..., *tile.seen)], "all")[(..., *tile.inner)].chunk(2)
        fused[(..., *tile.made)] = net.decode(blended_by(first, second, per_channel, strategy) / 2)
    return fused[:, :, :height, :width] / 2 + 0.5


def gathered(x: Tensor, strategy: Strategy) -> Tensor:
    """The norm `(1, C, 1)` along the pixels of a tile, `(1, C, n)`, that `activity` is made of."""
    if strategy == "linf":
        return x.amax(dim=2, keepdim=True)
    norm: Tensor = torch.linalg.vector_norm(x, 1 if strategy == "l1_mean" else 2, dim=2, keepdim=True)
    return norm


def whole_activity(parts: Sequence[Tensor], pixels: int, strategy: Strategy) -> Tensor:
    """Activity `(1, C, 1, 1)` of each channel over a whole picture from the norms of its tiles."""
    norms = gathered(torch.cat(list(parts), dim=2), strategy)
    return (norms if strategy == "linf" else norms / pixels)[..., None]


def fused_by_tiles(net: Network, images: Sequence[Tensor], strategy: Strategy) -> Tensor:
    """The reference route: tiles of 224x224, mid-grey below and to the right, values about 0..255."""
    height, width = images[0].shape[2:]
    both = torch.cat(list(images))
    fused = both.new_empty(1, 1, height, width)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = both[:, :, top : top + TILE, left : left + TILE]
            fused[:, :, top : top + TILE, left : left + TILE] = fused_tile(net, tile, strategy)
    return (fused / 2 + 0.5) * 255


def fused_tile(net: Network, tile: Tensor, strategy: Strategy) -> Tensor:
    """Two images `(2, 1, h, w)` in -1..1, at most 224x224, fused as the top left of a mid-grey tile of 224x224.

    Without shifts the windows do not know of each other, so that all windows of pure padding are equal: one of
    them is encoded and stands for all.
    """
    height, width = tile.shape[2:]
    padded = functional.pad(tile, (0, -width % WINDOW, 0, -height % WINDOW))
    first, second = net.encode(padded, "first").chunk(2)
    missing = TILE**2 // WINDOW**2 - padded[0, 0].numel() // WINDOW**2
    grey = net.encode(tile.new_zeros(1, 1, WINDOW, WINDOW), "first").flatten(2)
    fused = net.decode(blended(first, second, strategy, beyond=grey.repeat(1, 1, missing)))
    return fused[:, :, :height, :width]


def blended(first: Tensor, second: Tensor, strategy: Strategy, beyond: Tensor | None = None) -> Tensor:
    r"""Sum of two blends of features `(1, C, H, W)`: with one weight per channel, and with one per pixel.

    Each blend is \(w_A A + w_B B\) with \(w_A = e^{a} / (e^{a} + e^{b} + \epsilon)\), a and b the activities.

    Args:
        first: features A.
        second: features B.
        strategy: what activity is: mean of absolute values ("l1_mean"), Euclidean norm over the number of values
            ("l2_mean"), or the largest value, divided by the number of channels in the blend per pixel ("linf").
        beyond: pixels `(1, C, n)` outside the image that count for the channels' activity, the same for both.
    """
    pair = (first, second)
    pixels = [x.flatten(2) if beyond is None else torch.cat([x.flatten(2), beyond], dim=2) for x in pair]
    return blended_by(first, second, [activity(x, 2, strategy)[..., None] for x in pixels], strategy)


def blended_by(first: Tensor, second: Tensor, per_channel: Sequence[Tensor], strategy: Strategy) -> Tensor:
    """`blended` by known activities of the channels, `(1, C, 1, 1)`."""
    per_pixel = [activity(x, 1, strategy) for x in (first, second)]
    if strategy == "linf":
        per_pixel = [x / first.shape[1] for x in per_pixel]
    return _mixed(first, second, *per_channel) + _mixed(first, second, *per_pixel)


def activity(x: Tensor, axis: int, strategy: Strategy) -> Tensor:
    """Activity along an axis, which is kept with length 1.

    The norms are torch's own, as in the original: over 50,176 pixels their plain float32 sums differ from an exact
    mean by up to 0.1 %, which parity has to share.
    """
    if strategy == "linf":
        return x.amax(dim=axis, keepdim=True)
    order = 1 if strategy == "l1_mean" else 2
    norm: Tensor = torch.linalg.vector_norm(x, order, dim=axis, keepdim=True)
    return norm / x.shape[axis]


def _mixed(first: Tensor, second: Tensor, a: Tensor, b: Tensor) -> Tensor:
    total = a.exp() + b.exp() + EPSILON
    return first * (a.exp() / total) + second * (b.exp() / total)
