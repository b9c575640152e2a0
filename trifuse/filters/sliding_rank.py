"""Exact ranks inside masks that only compare a guide, with a window that slides.

A tile of the image and its surroundings is sorted twice, by value and by guide. The mask of a pixel is then a range
of the guide's order inside a window, and both change little from pixel to pixel: members are flagged in the order
of the values, and counted in blocks, so that a rank is found by walking over few counts. The path through a
tile turns at the end of each row, so that the window never starts anew.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trifuse.core.compiled import compiled
from trifuse.filters.bounding_box import bounding_box
from trifuse.filters.structure_tensor import Plane
from trifuse.filters.threads import over_parts

TILE = 32
TILES_AT_ONCE = 64
BLOCK = 64


def sliding_ranks(
    values: Plane,
    members: tuple[Plane, Plane],
    limits: tuple[Plane, Plane],
    order: Plane,
    half_width: int,
    rank: NDArray[np.int64],
) -> tuple[Plane, Plane]:
    """The rank-th smallest and the rank-th largest value over each pixel's mask.

    Pixel q of the window of p is in its mask if `members[0][q] >= limits[0][p]` and `members[1][q] <= limits[1][p]`.

    Args:
        values: (H, W), what is ranked.
        order: (H, W), in whose order both of `members` ascend (weakly).
        half_width: of the window, which is clipped at the border.
        rank: `rank[n]` is the 0-based rank to take from n pixels.
    """
    low, high = np.zeros_like(values), np.zeros_like(values)
    height, width = values.shape
    rows, columns = bounding_box(values, half_width)  # a window beyond sees zeros only
    region = (min(height, TILE + 2 * half_width), min(width, TILE + 2 * half_width))
    starts = [(y, x) for y in range(rows.start, rows.stop, TILE) for x in range(columns.start, columns.stop, TILE)]
    corners = np.array(starts, dtype=np.int64).reshape(-1, 2)
    windows = [sliding_window_view(image, region) for image in (values, order)]
    for start in range(0, len(corners), TILES_AT_ONCE):
        tiles = corners[start : start + TILES_AT_ONCE]
        origins = np.clip(tiles - half_width, 0, np.array(values.shape) - region)
        sorts = [
            np.argsort(window[origins[:, 0], origins[:, 1]].reshape(len(tiles), -1), axis=1).astype(np.int32)
            for window in windows
        ]
        arguments = (tiles, origins, *sorts, values, *members, *limits, half_width, rank, region, low, high)
        over_parts(_slide_tiles, len(tiles), *arguments)
    return low, high


@compiled()
def _slide_tiles(  # type: ignore[no-untyped-def]
    tiles, origins, by_value, by_order, values, above, below, low_limit, high_limit, half, rank, region, low, high,
    first, last,
):  # fmt: skip
    height, width = values.shape
    size = region[0] * region[1]
    place = np.empty(size, np.int32)
    turn = np.empty(size, np.int32)
    members = np.empty((3, size), np.int32)
    rises = np.empty((2, size))
    for t in range(first, last):
        top, left = origins[t]
        for i in range(size):
            place[by_value[t, i]] = i
        for i in range(size):
            pixel = by_order[t, i]
            turn[pixel] = i
            y, x = pixel // region[1], pixel % region[1]
            members[0, i], members[1, i], members[2, i] = y, x, place[pixel]
            rises[0, i], rises[1, i] = above[top + y, left + x], below[top + y, left + x]
        flags = np.zeros(size, np.uint8)
        counts = np.zeros(size // BLOCK + 1, np.int32)
        window = np.array([0, -1, 0, -1])
        begin, end, n = 0, 0, 0
        for r in range(tiles[t, 0], min(tiles[t, 0] + TILE, height)):
            columns = min(TILE, width - tiles[t, 1])
            for step in range(columns):
                forth = (r - tiles[t, 0]) % 2 == 0
                c = tiles[t, 1] + (step if forth else columns - 1 - step)
                n += _move_window(
                    (
                        max(r - half, 0) - top,
                        min(r + half, height - 1) - top,
                        max(c - half, 0) - left,
                        min(c + half, width - 1) - left,
                    ),
                    window, turn, place, region[1], begin, end, flags, counts,
                )  # fmt: skip
                new_begin = _first_at_least(rises[0], begin, low_limit[r, c])
                new_end = _first_above(rises[1], end, high_limit[r, c])
                n += _flag(max(end, begin), new_end, 1, members, window, flags, counts)
                n += _flag(max(new_end, begin), end, -1, members, window, flags, counts)
                n += _flag(new_begin, min(begin, new_end), 1, members, window, flags, counts)
                n += _flag(begin, min(new_begin, new_end), -1, members, window, flags, counts)
                begin, end = new_begin, new_end
                k = rank[n]
                lowest, highest = _from_below(k, flags, counts), _from_above(k, flags, counts)
                pixel = by_value[t, lowest]
                low[r, c] = values[top + pixel // region[1], left + pixel % region[1]]
                pixel = by_value[t, highest]
                high[r, c] = values[top + pixel // region[1], left + pixel % region[1]]


@compiled()
def _first_at_least(rising, guess, limit):  # type: ignore[no-untyped-def]
    """Index of the first of the rising values that is at least `limit`, walking from a guess."""
    while guess < rising.size and rising[guess] < limit:
        guess += 1
    while guess > 0 and rising[guess - 1] >= limit:
        guess -= 1
    return guess


@compiled()
def _first_above(rising, guess, limit):  # type: ignore[no-untyped-def]
    """Index of the first of the rising values above `limit`, walking from a guess."""
    while guess < rising.size and rising[guess] <= limit:
        guess += 1
    while guess > 0 and rising[guess - 1] > limit:
        guess -= 1
    return guess


@compiled()
def _flag(begin, end, step, members, window, flags, counts):  # type: ignore[no-untyped-def]
    """Flags (step 1) or clears (-1) what of the order's range begin..end lies in the window; the change in number."""
    changed = 0
    for i in range(begin, end):
        # No branch: whether a pixel lies in the window is not to be foreseen, and outside nothing is flagged.
        y, x, where = members[0, i], members[1, i], members[2, i]
        inside = np.int32((y >= window[0]) & (y <= window[1]) & (x >= window[2]) & (x <= window[3]))
        flags[where] = inside & (step > 0)
        counts[where // BLOCK] += step * inside
        changed += step * inside
    return changed


@compiled()
def _move_window(new, window, turn, place, stride, begin, end, flags, counts):  # type: ignore[no-untyped-def]
    """Moves the window (top, bottom, left, right), flagging what enters and clearing what leaves."""
    changed = 0
    for side in range(4):
        old = window[side]
        if new[side] == old:
            continue
        top, bottom, left, right = window[0], window[1], window[2], window[3]
        ahead = new[side] > old
        first, last = (min(old, new[side]), max(old, new[side]) - 1)
        if side == 0:
            top, bottom, step = first, last, -1 if ahead else 1
        elif side == 1:
            top, bottom, step = first + 1, last + 1, 1 if ahead else -1
        elif side == 2:
            left, right, step = first, last, -1 if ahead else 1
        else:
            left, right, step = first + 1, last + 1, 1 if ahead else -1
        changed += _flag_rectangle(top, bottom, left, right, step, turn, place, stride, begin, end, flags, counts)
        window[side] = new[side]
    return changed


@compiled()
def _flag_rectangle(  # type: ignore[no-untyped-def]
    top, bottom, left, right, step, turn, place, stride, begin, end, flags, counts
):
    """Flags (step 1) or clears (-1) the members of a mask in a rectangle, ends included; the change in number."""
    changed = 0
    for y in range(top, bottom + 1):
        for pixel in range(y * stride + left, y * stride + right + 1):
            where = place[pixel]
            member = np.int32((turn[pixel] >= begin) & (turn[pixel] < end))
            flags[where] = member & (step > 0)
            counts[where // BLOCK] += step * member
            changed += step * member
    return changed


@compiled()
def _from_below(k, flags, counts):  # type: ignore[no-untyped-def]
    """Place of the k-th flag (0-based) from the lowest value."""
    block = 0
    while counts[block] <= k:
        k -= counts[block]
        block += 1
    where = block * BLOCK
    while True:
        k -= flags[where]
        if k < 0:
            return where
        where += 1


@compiled()
def _from_above(k, flags, counts):  # type: ignore[no-untyped-def]
    """Place of the k-th flag (0-based) from the highest value."""
    block = counts.size - 1
    while counts[block] <= k:
        k -= counts[block]
        block -= 1
    where = min((block + 1) * BLOCK, flags.size) - 1
    while True:
        k -= flags[where]
        if k < 0:
            return where
        where -= 1
