"""What a caller asks of a reader: which file, which of its frames, how much memory at most."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trifuse.core.errors import InputError, OptionError

Frame = int | Literal["mean"] | None
"""One frame of a file that holds several, counted from 0; "mean" for their average; None if there must be one."""

Units = Literal["native", "suv"]
"""What the numbers of a PET mean: as the file has them, or standardised uptake values."""

DEFAULT_LIMIT = 2**31
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
        limit: most bytes that the decoded pixels may take as float32.
        units: see `Units`.
    """

    origin: str
    path: Path
    frame: Frame = None
    limit: int = DEFAULT_LIMIT
    units: Units = "native"

    def check_size(self, shape: Sequence[int]) -> None:
        """Refuses what the header announces if it is empty, larger than the limit, or more than the file can hold.

        Called before anything is decoded.

        Args:
            shape: every axis, channels included.

        Raises:
            InputError: if the size is not positive, beyond the limit, or `IMPLAUSIBLE` times that of the file.
        """
        size = " x ".join(str(int(n)) for n in shape)
        if any(n < 1 for n in shape):
            raise InputError(
                f"{self.origin}: its header announces an image of {size} pixels, which is empty; export it anew"
            )
        needed = 4 * math.prod(int(n) for n in shape)
        if needed > self.limit:
            raise InputError(
                f"{self.origin}: too large: its header announces {size} values, {needed / 2**30:.3g} GiB, and the "
                f"limit is {self.limit / 2**30:.3g} GiB; crop it, or raise limit= or {LIMIT_VARIABLE} (bytes)"
            )

        held = self.path.stat().st_size if self.path.is_file() else needed
        if needed > 4 * IMPLAUSIBLE * held:
            raise InputError(
                f"{self.origin}: damaged: its header announces {size} values, more than a file of {held} bytes "
                "can hold; copy it anew"
            )

    def choose(self, count: int, what: str = "frames") -> range:
        """The frames to read out of `count`: one, or all of them for an average.

        Raises:
            InputError: if there are several and none is chosen, or the chosen one does not exist.
        """
        if self.frame == "mean":
            return range(count)
        if self.frame is None:
            if count != 1:
                raise InputError(
                    f"{self.origin}: holds {count} {what} where one image is needed; choose one with "
                    f"--frame 0 to {count - 1} or average them with --frame mean (frame= in Python)"
                )
            return range(1)
        if not 0 <= self.frame < count:
            raise InputError(f"{self.origin}: has no frame {self.frame}; it holds {count}, counted from 0")
        return range(self.frame, self.frame + 1)


def memory_limit(limit: int | None) -> int:
    """The limit given, else that of the environment variable `TRIFUSE_MAX_BYTES`, else 2 GiB.

    Raises:
        OptionError: if it is not a positive whole number.
    """
    given = limit if limit is not None else os.environ.get(LIMIT_VARIABLE, DEFAULT_LIMIT)
    try:
        value = int(given)
    except ValueError:
        value = 0
    if value < 1:
        raise OptionError(
            f"memory limit {given!r} is not a number of bytes; give limit= or {LIMIT_VARIABLE} as 1 or more"
        )
    return value
