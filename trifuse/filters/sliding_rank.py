"""Exact ranks inside masks that only compare a guide, with a window that slides.

The pixels of a tile and its surroundings are sorted by value: a set of them is a row of bits in that order, and a
rank is found by counting bits. The mask of a pixel is what two such sets have in common, the window and a range of
the guide's order, and both change little from pixel to pixel. The path through a tile turns at the end of each row,
so that the window never starts anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.core.compiled import compiled, compiled_part
from trifuse.filters.bounding_box import bounding_box
from trifuse.filters.range_mask import RangeMasks
from trifuse.filters.threads import over_parts

TILE = 16

Places = NDArray[np.int32]
"""(H, W): each value's place among the sorted different values of its image."""


class GuideRanges(NamedTuple):
    """Masks in the order of the guide: q in the window of p belongs to p if `limits[0, p] <= turn[q] < limits[1, p]`.

    Attributes:
        turn: (H, W).
        limits: (2, H, W).
    """

    turn: NDArray[np.int32]
    limits: NDArray[np.int32]


def guide_ranges(masks: RangeMasks) -> tuple[GuideRanges, GuideRanges]:
    """The masks, and the pixels whose masks hold a pixel; for uniform masks, whose limits ascend with the guide.

    Both compare the same rounded limits, so that p is in the second of q wherever q is in the first of p.
    """
    order = np.argsort(masks.guide, axis=None)
    guide, low, high = (plane.ravel()[order] for plane in (masks.guide, masks.guide_low, masks.guide_high))

    def unsorted(*rows: NDArray[np.int64]) -> NDArray[np.int32]:
        planes = np.empty((len(rows), order.size), np.int32)
        planes[:, order] = rows
        return planes.reshape(-1, *masks.guide.shape)

    turn = unsorted(np.arange(order.size))[0]
    holds = unsorted(np.searchsorted(guide, low, "left"), np.searchsorted(guide, high, "right"))
    held = unsorted(np.searchsorted(high, guide, "left"), np.searchsorted(low, guide, "right"))
    return GuideRanges(turn, holds), GuideRanges(turn, held)


def place_of_black(levels: NDArray[np.float64]) -> int:
    """Place of the value 0 among the sorted different values, -1 if it is not there."""
    place = int(np.searchsorted(levels, 0))
    return place if place < levels.size and levels[place] == 0 else -1


def sliding_ranks(
    places: tuple[Places, Places], black: int, ranges: GuideRanges, half_width: int, rank: NDArray[np.int64]
) -> tuple[Places, Places]:
    """The rank-th smallest of the first and the rank-th largest of the second image over each pixel's mask.

    Args:
        places: the two images, or the same one twice.
        black: place of the value 0; negative if there is none.
        half_width: of the window, which is clipped at the border.
        rank: `rank[n]` is the 0-based rank to take from n pixels.
    """
    ranked = np.stack(places)
    height, width = places[0].shape
    images = places[:1] if places[0] is places[1] else places
    rows, columns = bounding_box(ranked - black, half_width)  # a window beyond sees zeros only
    corners = [(y, x) for y in range(rows.start, rows.stop, TILE) for x in range(columns.start, columns.stop, TILE)]
    region = (min(height, TILE + 2 * half_width), min(width, TILE + 2 * half_width))
    digit = ((height * width - 1).bit_length() + 1) // 2
    tiles = np.array(corners, dtype=np.int64).reshape(-1, 2)
    settings = np.array([*region, half_width, digit])
    over_parts(
        _rank_tiles, len(tiles), tiles, settings, np.stack([ranges.turn, *images]), ranges.limits, rank, ranked
    )  # fmt: skip
    return ranked[0], ranked[1]


@compiled(error_model="numpy")
def _rank_tiles(tiles, settings, planes, limits, rank, ranked, first, last):  # type: ignore[no-untyped-def]
    """`planes`: the guide's turns, then one image or two; place 0 of plane 1 is bit 64 `words`, and so on."""
    rows, columns, half, digit = settings
    count, height, width = planes.shape
    size = rows * columns
    words = size // 64 + 1
    keys, scratch = np.empty(size, np.uint32), np.empty(size, np.uint32)
    histogram = np.empty((1 << digit) + 1, np.int32)
    pixel_at = np.empty(count * words * 64, np.uint32)  # by place
    place_of, place_at = np.empty(count * size, np.uint32), np.empty(count * size, np.uint32)  # by pixel, by turn
    turns = np.empty(size + 2, np.int64)
    window, members = np.empty(count * words, np.uint64), np.empty(count * words, np.uint64)
    numbers = np.empty(count * words, np.int64)
    bounds = np.empty(2, np.int64)
    for t in range(first, last):
        bottom, right = min(tiles[t, 0] + TILE, height) - 1, min(tiles[t, 1] + TILE, width) - 1
        top, left = min(max(tiles[t, 0] - half, 0), height - rows), min(max(tiles[t, 1] - half, 0), width - columns)
        for plane in range(count):
            start = plane * words * 64
            _sort(planes[plane], top, left, columns, digit, keys, histogram, scratch, pixel_at, start)
            if plane == 0:
                turns[0], turns[size + 1] = -1, height * width + 1
                for i in range(size):
                    turns[i + 1] = keys[pixel_at[i]]
            for i in range(size):
                place_of[plane * size + pixel_at[start + i]] = start + i
            for i in range(size):
                place_at[plane * size + i] = place_of[plane * size + pixel_at[i]]
        for w in range(count * words):
            window[w] = members[w] = 0
        bounds[0] = bounds[1] = 0
        edges = _edges(tiles[t, 0], tiles[t, 1], half, height, width)
        edges = (edges[0], edges[0] - 1, edges[2], edges[3])
        for y in range(tiles[t, 0], bottom + 1):
            for step in range(right + 1 - tiles[t, 1]):
                x = right - step if (y - tiles[t, 0]) % 2 else tiles[t, 1] + step
                moved = _edges(y, x, half, height, width)
                for plane in range(1, count):
                    _move(window, place_of, plane * size - top * columns - left, columns, edges, moved)
                edges = moved
                for side in range(2):
                    old, new = bounds[side], _walk(turns, bounds[side], limits[side, y, x])
                    bounds[side] = new
                    for plane in range(1, count):
                        _toggle(members, place_at, plane * size + min(old, new), np.int64(1), abs(old - new))
                n = 0
                for w in range(words, count * words):
                    numbers[w] = _bits_in(window[w] & members[w])
                for w in range(words, 2 * words):
                    n += numbers[w]
                for side in range(2):
                    plane = side * (count - 2) + 1
                    nth = n - 1 - rank[n] if side else rank[n]
                    pixel = pixel_at[_nth(nth, numbers, plane * words, window, members)]
                    ranked[side, y, x] = planes[plane, top + pixel // columns, left + pixel % columns]


@compiled_part
def _edges(y, x, half, height, width):  # type: ignore[no-untyped-def]
    """Top, bottom, left and right of a pixel's window."""
    return max(y - half, 0), min(y + half, height - 1), max(x - half, 0), min(x + half, width - 1)


@compiled_part
def _walk(turns, place, turn):  # type: ignore[no-untyped-def]
    """How many of the ascending `turns[1:-1]` lie below a turn, walking from a guess."""
    while turns[place + 1] < turn:
        place += 1
    while turns[place] >= turn:
        place -= 1
    return place


@compiled_part
def _move(window, place_of, start, columns, old, new):  # type: ignore[no-untyped-def]
    """Moves the edges of the window; the lines between old and new ones enter or leave."""
    for side in range(4):
        odd = side % 2
        for line in range(min(old[side], new[side]) + odd, max(old[side], new[side]) + odd):
            if side < 2:
                begin, step, count = line * columns + new[2], 1, new[3] + 1 - new[2]
            else:
                begin, step, count = new[0] * columns + line, columns, new[1] + 1 - new[0]
            _toggle(window, place_of, start + begin, step, count)


@compiled_part
def _toggle(bits, places, start, step, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        place = np.uint64(places[start + i * step])
        bits[place >> np.uint64(6)] ^= np.uint64(1) << (place & np.uint64(63))


@compiled_part
def _bits_in(word):  # type: ignore[no-untyped-def]
    """How many bits of 64 are set; compilers know this way of counting, and replace it by one instruction."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled_part
def _nth(n, numbers, word, window, members):  # type: ignore[no-untyped-def]
    """Number of the n-th bit (0-based) that is in both sets, from a word on."""
    while numbers[word] <= n:
        n -= numbers[word]
        word += 1
    bits = window[word] & members[word]
    for _ in range(n):
        bits &= bits - np.uint64(1)
    lowest = bits & (~bits + np.uint64(1))
    return word * 64 + _bits_in(lowest - np.uint64(1))


@compiled_part
def _sort(plane, top, left, columns, digit, keys, histogram, scratch, order, start):  # type: ignore[no-untyped-def]
    """Sorts a region of a plane of numbers of two digits: `order[start + i]` is the pixel that is i-th."""
    for i in range(keys.size):
        keys[i] = plane[top + i // columns, left + i % columns]
        order[start + i] = i
    mask = np.uint32((1 << digit) - 1)
    for turn in range(2):
        shift = np.uint32(digit * turn)
        for i in range(histogram.size):
            histogram[i] = 0
        for i in range(keys.size):
            scratch[i] = order[start + i]
            histogram[((keys[i] >> shift) & mask) + np.uint32(1)] += 1
        for i in range(histogram.size - 1):
            histogram[i + 1] += histogram[i]
        for i in range(keys.size):
            value = (keys[scratch[i]] >> shift) & mask
            order[start + histogram[value]] = scratch[i]
            histogram[value] += 1
