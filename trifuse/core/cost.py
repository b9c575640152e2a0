"""What a method takes of the computer: memory at its peak and time, from the size of a case; and how it goes in tiles.

The numbers are measured (`python -m benchmarks memory`), each method in a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict


class Cost(BaseModel):
    """Memory at the peak of `Method.fuse`, its result included, beyond the sources and the program itself; and time.

    Attributes:
        fixed: megabytes whatever the size: weights and tables.
        per_pixel: bytes for each pixel of the result.
        per_source: further bytes for each pixel and source.
        seconds: of one core for a million pixels of the result of two sources; an order of magnitude.
    """

    model_config = ConfigDict(frozen=True)

    fixed: float = 0
    per_pixel: float = 0
    per_source: float = 0
    seconds: float = 0

    def peak(self, pixels: int, sources: int) -> int:
        """Bytes for a result of so many pixels."""
        return int(self.fixed * 10**6 + pixels * (self.per_pixel + sources * self.per_source))


class Tiling(BaseModel):
    """How a method fuses pictures that are too large for the memory, tile by tile.

    Attributes:
        reach: how many pixels far a pixel of the result looks, so far as that decides which tiles see what.
        period: pixels after which the method's grid repeats; tiles begin at its multiples.
        kept: bytes for each pixel of the whole picture that are held beside a tile.
        passes: how many times each pixel is gone through, by which the time is multiplied.
        exact: what the result is, compared with that of the whole picture, in words.
    """

    model_config = ConfigDict(frozen=True)

    reach: int
    period: int = 1
    kept: float = 8
    passes: float = 1
    exact: str = "as in one piece"


@runtime_checkable
class Sized(Protocol):
    """A method whose memory is no matter of pixels alone."""

    def peak_bytes(self, space: Sequence[int]) -> int:
        """As `Cost.peak`, for sources of this size."""
        ...

    def passes(self, space: Sequence[int]) -> int:
        """Into how many windows it cuts a case of this size by itself; 1 for one pass."""
        ...


def peak_of(method: object, cost: Cost, space: Sequence[int], sources: int) -> int:
    """Bytes at the peak of a method with this cost, for a result of this size."""
    return method.peak_bytes(space) if isinstance(method, Sized) else cost.peak(prod(space), sources)
