"""A picture cut into tiles that see a little more than they make, so that memory is bounded by the tile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple


class Tile(NamedTuple):
    """One tile.

    Attributes:
        made: the pixels that it makes, rows and columns.
        seen: those that it looks at: `made` and its surroundings within the picture.
        inner: `made` counted from the corner of `seen`.
    """

    made: tuple[slice, slice]
    seen: tuple[slice, slice]
    inner: tuple[slice, slice]


def cut(space: Sequence[int], side: int, reach: int = 0, period: int = 1) -> list[Tile]:
    """Tiles that together make every pixel of a picture once, row by row, of sizes as even as can be.

    Args:
        space: height and width; multiples of `period` if that is more than 1.
        side: most pixels along a side that a tile looks at.
        reach: how far a pixel looks.
        period: what tiles begin at, and surroundings are widened to, multiples of.

    Raises:
        ValueError: if the side leaves nothing between the surroundings.
    """
    wide = -(-reach // period) * period
    if side - 2 * wide < period:
        raise ValueError(f"tiles of {side} pixels that overlap by {wide} on each side make nothing")
    rows, columns = (_along(n, (side - 2 * wide) // period * period, wide, period) for n in space)
    return [Tile(*zip(row, column, strict=True)) for row, column in product(rows, columns)]


def _along(n: int, most: int, wide: int, period: int) -> list[tuple[slice, slice, slice]]:
    """What is made, seen, and made of what is seen, along a side of n."""
    step = -(-n // -(-n // most))
    step = -(-step // period) * period
    found = []
    for start in range(0, n, step):
        stop = min(start + step, n)
        low, high = max(0, start - wide), min(n, stop + wide)
        found.append((slice(start, stop), slice(low, high), slice(start - low, stop - low)))
    return found
