"""Ranks inside masks of any shape: every window is gathered pixel by pixel.

The general, slower way; `sliding_rank` is the fast one for masks that only compare the guide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trifuse.core.compiled import compiled
from trifuse.filters.range_mask import RangeMasks
from trifuse.filters.threads import over_parts

Order = NDArray[np.int32]
"""(C, H, W): each value's place among the sorted different values of its channel."""


def ranks_in_masks(
    colours: NDArray[np.float64],
    masks: RangeMasks,
    half_width: int,
    rank: NDArray[np.int64],
    orders: tuple[Order, Order],
    *,
    inverse: bool,
) -> tuple[Order, Order]:
    """Low and high ranks over each pixel's mask or, `inverse`, over the pixels whose masks hold it.

    Args:
        colours: (C, H, W), what the colour limit compares.
        rank: `rank[n]` is the 0-based rank to take from n pixels.
        orders: the image from which low ranks, and the one from which high ranks are taken, as `Order`.

    Returns:
        the rank-th smallest of the first, the rank-th largest of the second, as `Order`.
    """
    low, high = np.empty_like(orders[0]), np.empty_like(orders[1])
    limits = np.stack([masks.guide_low, masks.guide_high, masks.grey_low, masks.grey_high])
    values = np.stack([masks.guide, masks.guide, masks.grey, masks.grey])
    over_parts(
        _gather_rows,
        low.shape[1],
        colours,
        limits,
        values,
        masks.colour_limit,
        half_width,
        rank,
        inverse,
        *orders,
        low,
        high,
    )
    return low, high


@compiled()
def _gather_rows(  # type: ignore[no-untyped-def]
    colours, limits, values, colour_limit, half, rank, inverse, low_order, high_order, low, high, first, last
):
    channels, height, width = colours.shape
    # Seen from q, a mask of p holds it if p's limits hold q's values: the same test with the roles exchanged.
    limits_of, values_of = (values, limits) if inverse else (limits, values)
    members = np.empty((2 * half + 1) ** 2, np.int64)
    chosen = np.empty(members.size, np.int32)
    counts = np.empty(256, np.int32)
    for r in range(first, last):
        rows = (max(0, r - half), min(height, r + half + 1))
        for c in range(width):
            columns = (max(0, c - half), min(width, c + half + 1))
            n = _members(limits_of, values_of, inverse, r, c, rows, columns, members)
            if colour_limit < np.inf:
                n = _near_in_colour(colours, colour_limit, r, c, members, n)
            k = rank[n]
            for channel in range(channels):
                for i in range(n):
                    chosen[i] = low_order[channel, members[i] // width, members[i] % width]
                low[channel, r, c] = _smallest(chosen, n, k, counts)
                for i in range(n):
                    chosen[i] = high_order[channel, members[i] // width, members[i] % width]
                high[channel, r, c] = _smallest(chosen, n, n - 1 - k, counts)


@compiled()
def _members(limits, values, inverse, r, c, rows, columns, members):  # type: ignore[no-untyped-def]
    """Lists the pixels of the window that pass all four limits, as flat indices; returns how many."""
    width = values.shape[2]
    low_s, high_s, low_e, high_e = limits[0, r, c], limits[1, r, c], limits[2, r, c], limits[3, r, c]
    n = 0
    for y in range(rows[0], rows[1]):
        for x in range(columns[0], columns[1]):
            if inverse:
                inside = (
                    (values[0, y, x] <= low_s)
                    & (values[1, y, x] >= high_s)
                    & (values[2, y, x] <= low_e)
                    & (values[3, y, x] >= high_e)
                )
            else:
                inside = (
                    (values[0, y, x] >= low_s)
                    & (values[1, y, x] <= high_s)
                    & (values[2, y, x] >= low_e)
                    & (values[3, y, x] <= high_e)
                )
            members[n] = y * width + x
            n += inside
    return n


@compiled()
def _near_in_colour(colours, limit, r, c, members, n):  # type: ignore[no-untyped-def]
    """Keeps the listed pixels whose every channel differs by no more than `limit`; returns how many."""
    channels, _, width = colours.shape
    kept = 0
    for i in range(n):
        y, x = members[i] // width, members[i] % width
        near = True
        for channel in range(channels):
            near &= abs(colours[channel, y, x] - colours[channel, r, c]) <= limit
        members[kept] = members[i]
        kept += near
    return kept


@compiled()
def _smallest(chosen, n, k, counts):  # type: ignore[no-untyped-def]
    """The k-th smallest (0-based) of the first n, by counting into ever finer bins."""
    low, high = chosen[0], chosen[0]
    for i in range(n):
        low = min(low, chosen[i])
        high = max(high, chosen[i])
    while True:
        shift = 0
        while (high - low) >> shift > 255:
            shift += 1
        counts[: ((high - low) >> shift) + 1] = 0
        for i in range(n):
            if low <= chosen[i] <= high:
                counts[(chosen[i] - low) >> shift] += 1
        found = 0
        while counts[found] <= k:
            k -= counts[found]
            found += 1
        low += found << shift
        if shift == 0:
            return low
        high = low + (1 << shift) - 1
