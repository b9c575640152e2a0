"""What a large run will take of the computer's memory, said before it starts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

LARGE = 10**9
"""Bytes from which on a run is worth a word."""


class MemoryNote(UserWarning):
    """How much memory is about to be used, and that it may not be there."""


@runtime_checkable
class Sized(Protocol):
    """A method that knows what it takes."""

    def peak_bytes(self, space: Sequence[int]) -> int:
        """Memory at the peak of fusing one case of this size, beyond the program itself."""
        ...

    def passes(self, space: Sequence[int]) -> int:
        """Into how many windows it cuts a case of this size; 1 for one pass."""
        ...


def tell(method: object, space: Sequence[int], large: int = LARGE) -> None:
    """Warns with a `MemoryNote` before a run that is estimated to take `large` bytes or more, or more than is free."""
    if not isinstance(method, Sized):
        return
    peak, free, count = method.peak_bytes(space), available(), method.passes(space)
    short = free is not None and peak > free
    if peak < large and not short:
        return
    size = "x".join(map(str, space))
    how = f"{count} windows" if count > 1 else "one pass"
    text = f"{size} voxels in {how}: about {peak / 1e9:.1f} GB of memory at the peak"
    if short:
        text += f", of which {(free or 0) / 1e9:.1f} GB are free; smaller windows take less (-O window=64)"
    warnings.warn(text, MemoryNote, stacklevel=3)


def available() -> int | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
