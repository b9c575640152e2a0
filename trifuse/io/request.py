"""What a caller asks of a reader: which file, which of its frames, how much memory at most."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trifuse.core import machine
from trifuse.core.errors import InputError, NothingToChooseError, OptionError

Frame = int | Literal["mean"] | None
"""One frame of a file that holds several, counted from 0; "mean" for their average; None if there must be one."""

Units = Literal["native", "suv"]
"""What the numbers of a PET mean: as the file has them, or standardised uptake values."""

DEFAULT_LIMIT = 2**32
"""Bytes that reading may take at its peak; half of the machine's memory where that is less."""

OF_PICTURES = 0.5
"""Share of the usual limit that a picture may take: no scan is one of so many pixels, bombs are."""

IMPLAUSIBLE = 10_000
"""Values per byte of file that no picture or scan reaches: deflate packs 1032 to 1 at best, GIF 8190 to 1."""

LIMIT_VARIABLE = "TRIFUSE_MAX_BYTES"


@dataclass(frozen=True)
class Request:
    """A file to be read.

    Attributes:
        origin: name of the source for messages, on one line.
        path: where it lies (a name without a file for objects that are in memory already).
        frame: see `Frame`.
        limit: most bytes that reading may take at its peak, with all copies on the way.
        units: see `Units`.
        series: which series of a folder with several: its number, UID, description or modality; of a series of
            several files that form no volume, one of them after a slash ("5/2").
        allow_gaps: whether uneven slices are resampled onto even ones.
        shared: which of "frame" and "series" were given for several sources at once, so that one may have nothing to
            choose from.
    """

    origin: str
    path: Path
    frame: Frame = None
    limit: int = DEFAULT_LIMIT
    units: Units = "native"
    series: str | None = None
    allow_gaps: bool = False
    shared: tuple[str, ...] = ()

    def check_size(self, shape: Sequence[int], each: float = 6, share: float = 1) -> None:
        """Refuses what the header announces if it is empty, larger than the limit, or more than the file can hold.

        Called before anything is decoded.

        Args:
            shape: every axis, channels included.
            each: bytes that reading takes at its peak for each value: what is decoded, its copies on the way, and 4
                for the display values, which are float32.
            share: of the limit that it may take, where nobody has set another than the usual one.

        Raises:
            InputError: if the size is not positive, beyond the limit, or `IMPLAUSIBLE` times that of the file.
        """
        size = " x ".join(str(int(n)) for n in shape)
        if any(n < 1 for n in shape):
            raise InputError(
                f"{self.origin}: its header announces an image of {size} pixels, which is empty; export it anew"
            )
        values = math.prod(int(n) for n in shape)
        needed = int(values * max(each, 4))
        held = self.path.stat().st_size if self.path.is_file() else values
        if values > IMPLAUSIBLE * held:
            raise InputError(
                f"{self.origin}: damaged: its header announces {size} values, more than a file of {held} bytes "
                "can hold; copy it anew"
            )
        limit = int(self.limit * share) if self.limit == usual_limit() else self.limit
        if needed > limit:
            raise InputError(
                f"{self.origin}: too large: its header announces {size} values, which take {needed / 2**30:.3g} GiB to "
                f"read, and the limit is {limit / 2**30:.3g} GiB; crop it, or raise limit= or {LIMIT_VARIABLE} "
                "(bytes)"
            )

    def check_frames(self, what: str) -> None:
        """Refuses a choice of frames that was meant for sources that have several.

        Raises:
            NothingToChooseError: if there is one.
        """
        if "frame" in self.shared and isinstance(self.frame, int):
            raise NothingToChooseError(f"{self.origin}: holds {what}, of which no frame can be chosen", "frame")

    @property
    def own_frame(self) -> bool:
        """Whether one frame of this very source is asked for."""
        return isinstance(self.frame, int) and "frame" not in self.shared

    def choose(self, count: int, what: str = "frames", *, averages: bool = True) -> range:
        """The frames to read out of `count`: one, or all of them for an average.

        Args:
            count: how many there are.
            what: what they are, in the plural.
            averages: whether their mean makes sense.

        Raises:
            NothingToChooseError: if there is one, and the choice was meant for sources that have several.
            InputError: if there are several and none is chosen, or the chosen one does not exist or is their mean,
                which makes no sense.
        """
        if count == 1:
            self.check_frames("one image")
        numbers = "0 or 1" if count == 2 else f"0 to {count - 1}"
        if self.frame == "mean":
            if not averages and count > 1:
                raise InputError(
                    f"{self.origin}: the mean of {count} {what} is no image; choose one with --frame {numbers} "
                    "(frame= in Python)"
                )
            return range(count)
        if self.frame is None:
            if count != 1:
                average = " or average them with --frame mean" if averages else ""
                raise InputError(
                    f"{self.origin}: holds {count} {what} where one image is needed; choose one with "
                    f"--frame {numbers}{average} (frame= in Python)"
                )
            return range(1)
        if not 0 <= self.frame < count:
            raise InputError(f"{self.origin}: has no frame {self.frame}; it holds {count}, counted from 0")
        return range(self.frame, self.frame + 1)


def usual_limit() -> int:
    """`DEFAULT_LIMIT`, or half of the machine's memory where that is less."""
    return min(DEFAULT_LIMIT, (machine.memory_total() or 2 * DEFAULT_LIMIT) // 2)


def memory_limit(limit: int | None) -> int:
    """The limit given, else that of the environment variable `TRIFUSE_MAX_BYTES`, else `usual_limit`.

    Raises:
        OptionError: if it is not a positive whole number.
    """
    given = limit if limit is not None else os.environ.get(LIMIT_VARIABLE, usual_limit())
    try:
        value = int(given)
    except ValueError:
        value = 0
    if value < 1:
        raise OptionError(
            f"memory limit {given!r} is not a number of bytes; give limit= or {LIMIT_VARIABLE} as 1 or more"
        )
    return value
