"""How opaque uptake is: everywhere the same, from a threshold on, or rising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import OptionError

FULL_AT, FULL_AT_LIGHT = 0.4, 0.02
"""Share of the window at which `auto` is fully opaque: for palettes ordered by hue, whose lower part would tint cold
tissue, and for those that are dark there."""

ACCEPTED = "auto, a constant such as 0.6, threshold:LOW[:MOST] or ramp:LOW:HIGH[:MOST] (LOW, HIGH in native units)"


@dataclass(frozen=True)
class Opacity:
    """Opacity over native values.

    Attributes:
        kind: "auto" until a palette is chosen, then one of the others.
        low: where it begins, native units, or shares of the window if `relative`.
        high: where it is full.
        most: the full opacity, 0..1.
        relative: whether `low` and `high` are shares of the window.
    """

    kind: Literal["auto", "constant", "threshold", "ramp"] = "auto"
    low: float = 0.0
    high: float = 0.0
    most: float = 1.0
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> Opacity:
        """`"auto"`, `"0.6"`, `"threshold:3"` or `"ramp:1:4"`, the latter two with a most as a last part.

        Raises:
            OptionError: if it is none of these.
        """
        word, *rest = text.strip().lower().split(":")
        try:
            numbers = [float(part) for part in rest]
            if word == "auto" and not rest:
                return cls()
            if word == "threshold" and len(rest) in (1, 2):
                return cls("threshold", numbers[0], numbers[0], (*numbers, 1.0)[1])._checked(text)
            if word == "ramp" and len(rest) in (2, 3):
                return cls("ramp", numbers[0], numbers[1], (*numbers, 1.0)[2])._checked(text)
            if not rest:
                return cls("constant", most=float(word))._checked(text)
        except ValueError:
            pass
        raise OptionError(f"opacity {text!r} is not known; give {ACCEPTED}")

    def _checked(self, text: str) -> Opacity:
        if not (0 < self.most <= 1) or (self.kind == "ramp" and not self.low < self.high):
            raise OptionError(f"opacity {text!r} shows nothing; opacities are above 0 up to 1, ramps have LOW < HIGH")
        return self

    def of_palette(self, by_hue: bool) -> Opacity:
        """What `auto` means for a palette."""
        return Opacity("ramp", 0.0, FULL_AT if by_hue else FULL_AT_LIGHT, relative=True)

    def at(self, uptake: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.float32]:
        """Opacity `(*space)` of uptake 0..1 over a window of native values."""
        most = np.float32(self.most)
        if self.kind == "constant":
            return np.where(uptake > 0, most, np.float32(0))
        begin, full = (self.low, self.high) if self.relative else (_shown(v, window) for v in (self.low, self.high))
        if self.kind == "threshold":
            return np.where((uptake >= begin) & (uptake > 0), most, np.float32(0))
        rising: NDArray[np.float32] = (most * np.clip((uptake - begin) / (full - begin), 0, 1)).astype(np.float32)
        return rising

    def __str__(self) -> str:
        if self.kind in ("auto", "constant"):
            return "auto" if self.kind == "auto" else f"{self.most:g}"
        ends = [self.low] if self.kind == "threshold" else [self.low, self.high]
        shown = [f"{100 * end:g}%" if self.relative else f"{end:g}" for end in ends]
        return ":".join([self.kind, *shown, *([f"{self.most:g}"] if self.most != 1 else [])])


def _shown(value: float, window: tuple[float, float]) -> float:
    return (value - window[0]) / (window[1] - window[0])
