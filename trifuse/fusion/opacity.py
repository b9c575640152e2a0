"""How opaque uptake is: everywhere the same, from a threshold on, or rising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import OptionError

SOME = 0.05
"""Share of the window from which uptake counts when the ordinary is looked for."""

LEAST, LEAST_VIVID = 0.3, 0.8
"""`auto`: opacity of ordinary uptake, and for palettes that keep their saturation."""

HOT = 0.5
"""`auto`: opacity is full this far from the ordinary to the top of the window, whatever the hottest is."""

AT_ONCE = 0.02
"""Share of the window within which saturation rises where a palette keeps it."""

ACCEPTED = (
    "auto, a constant such as 0.6, threshold:LOW[:MOST] or ramp:LOW:HIGH[:MOST[:LEAST]] (LOW, HIGH in native units)"
)


@dataclass(frozen=True)
class Opacity:
    """Opacity over native values.

    Attributes:
        kind: "auto" until a palette is chosen, then one of the others.
        low: where it begins, native units, or shares of the window if `relative`.
        high: where it is full.
        most: the full opacity, 0..1.
        relative: whether `low` and `high` are shares of the window.
        least: opacity at `low` of a ramp; from there it falls to 0 at the window's foot (just above it if `vivid`).
        vivid: least share of a colour's saturation wherever there is uptake, for palettes that cannot be read from
            pale colours.
    """

    kind: Literal["auto", "constant", "threshold", "ramp"] = "auto"
    low: float = 0.0
    high: float = 0.0
    most: float = 1.0
    relative: bool = False
    least: float = 0.0
    vivid: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Opacity:
        """`"auto"`, `"0.6"`, `"threshold:3"` or `"ramp:1:4"`, the latter two with a most, a ramp with a least after it.

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
            if word == "ramp" and len(rest) in (2, 3, 4):
                most, least = (*numbers[2:], *(1.0, 0.0)[len(rest) - 2 :])
                return cls("ramp", numbers[0], numbers[1], most, least=least)._checked(text)
            if not rest:
                return cls("constant", most=float(word))._checked(text)
        except ValueError:
            pass
        raise OptionError(f"opacity {text!r} is not known; give {ACCEPTED}")

    def _checked(self, text: str) -> Opacity:
        finite = all(np.isfinite(end) for end in (self.low, self.high))
        shows = 0 <= self.least < self.most <= 1 and finite
        if not shows or (self.kind == "ramp" and not self.low < self.high):
            raise OptionError(f"opacity {text!r} shows nothing; opacities are above 0 up to 1, ramps have LOW < HIGH")
        return self

    def of_uptake(self, uptake: NDArray[np.float32], vivid: float) -> Opacity:
        """What `auto` means for uptake 0..1 `(*space)`: faint where it is ordinary, full where it is hot.

        Ordinary is the median of what is more than next to nothing; hot is half of the way from there to the top of
        the window, which does not depend on the hottest, so that a study without hot spots shows none.
        """
        some = uptake[uptake > SOME]
        ordinary = round(float(np.median(some)) if some.size else 0.5, 3)
        least = LEAST_VIVID if vivid else LEAST
        return Opacity("ramp", ordinary, ordinary + HOT * (1 - ordinary), relative=True, least=least, vivid=vivid)

    def at(self, uptake: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.float32]:
        """Opacity `(*space)` of uptake 0..1 over a window of native values."""
        most = np.float32(self.most)
        if self.kind == "constant":
            return np.where(uptake > 0, most, np.float32(0))
        begin, full = (self.low, self.high) if self.relative else (_shown(v, window) for v in (self.low, self.high))
        if self.kind == "threshold":
            return np.where((uptake >= begin) & (uptake > 0), most, np.float32(0))
        rise = self.least + (most - self.least) * np.clip((uptake - begin) / (full - begin), 0, 1)
        foot = AT_ONCE if self.vivid else begin
        if self.least > 0 and foot > 0:
            rise *= np.clip(uptake / foot, 0, 1)
        risen: NDArray[np.float32] = np.where(uptake > 0, rise, 0).astype(np.float32)
        return risen

    def saturation(self, uptake: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.float32]:
        """Share of the palette's saturation that is shown: the opacity, or more where a palette keeps its colours."""
        kept = self.vivid * np.clip(uptake / AT_ONCE, 0, 1)
        shown: NDArray[np.float32] = np.maximum(self.at(uptake, window), kept).astype(np.float32)
        return shown

    def __str__(self) -> str:
        if self.kind in ("auto", "constant"):
            return "auto" if self.kind == "auto" else f"{self.most:g}"
        ends = [self.low] if self.kind == "threshold" else [self.low, self.high]
        shown = [f"{100 * end:g}%" if self.relative else f"{end:g}" for end in ends]
        if self.least:
            shown += [f"{self.most:g}", f"{self.least:g}"]
        elif self.most != 1:
            shown.append(f"{self.most:g}")
        return ":".join([self.kind, *shown])


def _shown(value: float, window: tuple[float, float]) -> float:
    return (value - window[0]) / (window[1] - window[0])
