"""TGFuse of pictures that do not fit into memory: features tile by tile, the relation map over the whole picture.

Only the coarsest features, at an eighth of the size, are related over the whole picture; they are kept. Of the finer
ones nothing is kept but what the last convolution, which is linear, makes of them: one channel for each scale. The
result is that of the network on the whole picture, but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.progress import track
from trifuse.core.tiles import cut
from trifuse.nets.tgfuse import WIDTH, TGFuse, enlarged, relation_maps

REACH = 30
"""Two 3x3 convolutions at each of four scales: 2 (1 + 2 + 4 + 8) pixels."""

PERIOD = 8
"""Three halvings."""


def fused_in_tiles(net: TGFuse, visible: Tensor, infrared: Tensor, side: int) -> Tensor:
    """What `net(visible, infrared)` gives, `(B, 1, H, W)`, for tiles that look at up to `side` pixels."""
    images = torch.cat([visible, infrared], dim=1)
    space, weight = images.shape[2:], net.conv_out.conv2d.weight
    sizes = [(len(images), 1, space[0] >> k, space[1] >> k) for k in range(4)]
    parts = [images.new_empty(size) for size in sizes]
    coarsest = images.new_empty(len(images), WIDTH, *sizes[3][2:])
    for tile in track(cut(space, side, REACH, PERIOD), "tiles"):
        seen = images[(..., *tile.seen)].contiguous(memory_format=torch.channels_last)
        features = net.encode(seen)
        for k, x in enumerate(features):
            made, inner = _halved(tile.made, k), _halved(tile.inner, k)
            parts[k][(..., *made)] = functional.conv2d(x[(..., *inner)], weight)
            if k == 3:
                coarsest[(..., *made)] = x[(..., *inner)]
        del features, x
    maps = relation_maps(net.strans3(net.ctrans3(coarsest)))
    fused = parts[0] * maps[0]
    for k in (1, 2, 3):
        fused += enlarged(parts[k] * maps[k], 2**k)
    bias = net.conv_out.conv2d.bias
    return fused if bias is None else fused + bias.view(1, 1, 1, 1)


def _halved(part: tuple[slice, slice], times: int) -> tuple[slice, slice]:
    rows, columns = part
    return slice(rows.start >> times, rows.stop >> times), slice(columns.start >> times, columns.stop >> times)
