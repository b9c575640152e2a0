"""What no source has: values outside theirs, and isolated extremes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse.core.compiled import compiled, compiled_part
from trifuse.filters.threads import over_parts

Volume = NDArray[np.float32]
"""`(D, H, W)`, float32; a picture has D = 1."""

BACKGROUND = 0.08
"""Grey level, as a share of the brightest, up to which all sources together are background."""


def black_kept(fused: Volume, sources: Volume, level: float) -> Volume:
    """`fused` `(D, H, W)`, but where no source exceeds `level` within one sample, held between their extremes there.

    Args:
        sources: `(N, D, H, W)` on the same scale of grey.
        level: up to which all sources together are background.
    """
    held = fused.copy()
    over_parts(_hold, fused.shape[0] * fused.shape[1], fused, sources, level, held)
    return held


def background_kept(fused: Tensor, sources: Sequence[Tensor]) -> Tensor:
    """`black_kept` of grey tensors `(B, 1, *space)`, up to 8 % of the brightest value of each study's sources."""
    kept = []
    for picture, *own in zip(fused, *sources, strict=True):
        volumes = [x.detach().float().cpu().numpy().reshape(-1, *x.shape[-2:]) for x in (picture, *own)]
        stacked = np.stack(volumes[1:])
        held = black_kept(volumes[0], stacked, BACKGROUND * float(stacked.max()))
        kept.append(torch.from_numpy(held.reshape(tuple(picture.shape))))
    return torch.stack(kept).to(fused)


@compiled()
def _hold(fused, sources, level, held, first, last):  # type: ignore[no-untyped-def]
    count, depth, height, width = sources.shape
    lows = np.empty(width, np.float32)
    highs = np.empty(width, np.float32)
    for row in range(first, last):
        z, y = row // height, row % height
        for x in range(width):
            lows[x], highs[x] = np.inf, -np.inf
        for k in range(count):
            for b in range(max(z - 1, 0), min(z + 2, depth)):
                for c in range(max(y - 1, 0), min(y + 2, height)):
                    for x in range(width):
                        lows[x] = min(lows[x], sources[k, b, c, x])
                        highs[x] = max(highs[x], sources[k, b, c, x])
        for x in range(width):
            low, high = lows[x], highs[x]
            if x > 0:
                low, high = min(low, lows[x - 1]), max(high, highs[x - 1])
            if x + 1 < width:
                low, high = min(low, lows[x + 1]), max(high, highs[x + 1])
            if high <= level:
                held[z, y, x] = min(max(fused[z, y, x], low), high)


def without_specks(fused: Volume, sources: Volume) -> Volume:
    """`fused` without isolated extremes that no source has within one sample; they become their nearest neighbour.

    An extreme is a sample above (or below) all its neighbours; a source has it where one of its samples within
    one of there is not below (not above) any of its own neighbours.
    """
    clean = fused.copy()
    over_parts(_clean, fused.shape[0] * fused.shape[1], fused, sources, clean)
    return clean


@compiled()
def _clean(fused, sources, clean, first, last):  # type: ignore[no-untyped-def]
    count, _, height, width = sources.shape
    for row in range(first, last):
        z, y = row // height, row % height
        for x in range(width):
            low, high = _around(fused, z, y, x)
            value = fused[z, y, x]
            if low <= value <= high:
                continue
            sign = 1 if value > high else -1
            found = False
            for k in range(count):
                if not found:
                    found = _has(sources[k], z, y, x, sign)
            if not found:
                clean[z, y, x] = high if sign > 0 else low


@compiled_part
def _around(x, z, y, c):  # type: ignore[no-untyped-def]
    depth, height, width = x.shape
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for i in range(max(z - 1, 0), min(z + 2, depth)):
        for j in range(max(y - 1, 0), min(y + 2, height)):
            for k in range(max(c - 1, 0), min(c + 2, width)):
                if i != z or j != y or k != c:
                    low, high = min(low, x[i, j, k]), max(high, x[i, j, k])
    return low, high


@compiled_part
def _has(source, z, y, x, sign):  # type: ignore[no-untyped-def]
    depth, height, width = source.shape
    for i in range(max(z - 1, 0), min(z + 2, depth)):
        for j in range(max(y - 1, 0), min(y + 2, height)):
            for k in range(max(x - 1, 0), min(x + 2, width)):
                low, high = _around(source, i, j, k)
                if (sign > 0 and source[i, j, k] > high) or (sign < 0 and source[i, j, k] < low):
                    return True
    return False
