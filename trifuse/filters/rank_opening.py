"""Opening and closing by ranks: less than a rank's share of a neighbourhood is removed.

`range_opening` looks at the neighbours that resemble a pixel (`xrankopen2`), `opened_by_rank` at a fixed shape
(`rankopen2`).
Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import rank_filter

from trifuse.core.errors import InputError, OptionError
from trifuse.filters.gathered_rank import ranks_in_masks
from trifuse.filters.range_mask import MaskRule, RangeMasks, range_masks
from trifuse.filters.sliding_rank import guide_ranges, place_of_black, sliding_ranks
from trifuse.filters.structure_tensor import Plane

Stack = NDArray[np.float64]
"""Channels first (C, H, W), float64."""


def range_opening(image: Stack, grey: Plane, guide: Plane, rule: MaskRule, centile: float = 8.0) -> tuple[Stack, Stack]:
    r"""Opening and closing over masks of pixels that resemble each other.

    With \(k = \max(\lfloor g(n - 1) + 0.5 \rfloor, 1)\), g = centile / 100 and n the size of the mask of p:
    e is the k-th smallest, d the k-th largest value in the mask (0-based). Over the n pixels whose masks hold q:
    opening \(O_q = \max(e_q, k\text{-th largest } e)\), closing \(C_q = \min(d_q, k\text{-th smallest } d)\).

    Args:
        image: (C, H, W).
        grey: (H, W), the image itself or the mean of its channels.
        guide: (H, W), a smoothed `grey`.
        rule: how far the masks reach; where its window does not fit, the image comes back twice.
        centile: 0..50.

    Raises:
        InputError: if a value is not finite.
        OptionError: if the centile is out of range.
    """
    if not 0 <= centile <= 50:
        raise OptionError(f"centile {centile:g} is not one that opening can remove; choose 0 to 50")
    if not rule.fits(grey.shape):
        return image.copy(), image.copy()
    image, grey, guide = (np.ascontiguousarray(x, dtype=np.float64) for x in (image, grey, guide))
    if not all(np.isfinite(x).all() for x in (image, grey, guide)):
        raise InputError("the image to filter holds values that are not finite; replace them first (numpy.nan_to_num)")
    masks = range_masks(image, grey, guide, rule)
    rank = _ranks((2 * rule.half_width + 1) ** 2, centile / 100)
    if masks.uniform:
        return _uniform_opening(image, masks, rule.half_width, rank)
    return _general_opening(image, masks, rule.half_width, rank)


def _ranks(most: int, share: float) -> NDArray[np.int64]:
    """Rank to take from n pixels, for n = 0..most; at least 1 from more than three."""
    n = np.arange(most + 1)
    rank: NDArray[np.int64] = np.floor(share * (n - 1) + 0.5).astype(np.int64)
    if share > 0:
        rank[(rank == 0) & (n > 3)] = 1
    return rank


def _uniform_opening(image: Stack, masks: RangeMasks, half_width: int, rank: NDArray[np.int64]) -> tuple[Stack, Stack]:
    levels, order = _ordered(image)
    direct, inverse = guide_ranges(masks)
    opened, closed = np.empty_like(image), np.empty_like(image)
    for channel, (level, places) in enumerate(zip(levels, order, strict=True)):
        black = place_of_black(level)
        eroded, dilated = sliding_ranks((places, places), black, direct, half_width, rank)
        lowest, highest = sliding_ranks((dilated, eroded), black, inverse, half_width, rank)
        opened[channel] = level[np.maximum(eroded, highest)]
        closed[channel] = level[np.minimum(dilated, lowest)]
    return opened, closed


def _general_opening(image: Stack, masks: RangeMasks, half_width: int, rank: NDArray[np.int64]) -> tuple[Stack, Stack]:
    levels, order = _ordered(image)
    eroded, dilated = ranks_in_masks(image, masks, half_width, rank, (order, order), inverse=False)
    closed, opened = ranks_in_masks(image, masks, half_width, rank, (dilated, eroded), inverse=True)

    def values(places: NDArray[np.int32]) -> Stack:
        return np.stack([level[place] for level, place in zip(levels, places, strict=True)])

    return values(np.maximum(eroded, opened)), values(np.minimum(dilated, closed))


def _ordered(image: Stack) -> tuple[list[NDArray[np.float64]], NDArray[np.int32]]:
    """Per channel the sorted different values, and of each pixel the place among them."""
    levels, places = [], np.empty(image.shape, np.int32)
    for channel, place in zip(image, places, strict=True):
        level, inverse = np.unique(channel, return_inverse=True)
        levels.append(level)
        place[:] = inverse.reshape(place.shape)
    return levels, places


def opened_by_rank(image: NDArray[Any], mask: NDArray[np.bool_], rank: int) -> NDArray[Any]:
    """Opening with one fixed mask of p pixels, borders replicated: rank filter `rank` (1-based), then `p + 1 - rank`.

    The mask is not mirrored in either pass.
    """
    return _ranked(_ranked(image, mask, rank), mask, int(mask.sum()) + 1 - rank)


def _ranked(image: NDArray[Any], mask: NDArray[np.bool_], rank: int) -> NDArray[Any]:
    filtered: NDArray[Any] = rank_filter(image, rank - 1, footprint=mask, mode="nearest")
    return filtered
