"""Windows: which native values are shown as black and white, as people name them.

ct = read("ct/").windowed("brain")
images = shown([ct, pet], ["ct=bone", "2=0:6"])
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.image import Image, Modality, finite_range

HU, SUV = "HU", "SUV"

_ACCEPTED = "LOW:HIGH in its own units, such as 0:6 or -160:240, percentiles such as 1%:99%, or a preset"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Window:
    """The native values shown as black and white.

    Attributes:
        low, high: native values, or percentiles of the image's finite values; low < high.
        units: what the values are in: "HU", "SUV", or "" for whatever the image holds.
        percent: whether they are percentiles.
        name: as it was asked for, for messages.

    Raises:
        OptionError: if it is empty or not finite.
    """

    low: float
    high: float
    units: str = ""
    percent: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise OptionError(f"window {self.name or f'{self.low}:{self.high}'} is empty; give low < high")
        if self.percent and not (self.low >= 0 and self.high <= 100):
            raise OptionError(f"window {self.name} is beyond the percentiles; give 0% to 100%")


PRESETS = {
    name: Window(level - width / 2, level + width / 2, HU, name=name)
    for name, (level, width) in {
        "brain": (40, 80),
        "stroke": (40, 40),
        "subdural": (75, 215),
        "bone": (400, 1800),
        "lung": (-600, 1500),
        "mediastinum": (50, 350),
        "soft-tissue": (40, 400),
        "liver": (30, 150),
        "angio": (300, 600),
    }.items()
} | {"full": Window(0, 100, percent=True, name="full")}
"""Windows by name: levels and widths in HU as CT consoles commonly have them; "full" is the range of the image."""


def parse(text: str) -> Window:
    """`"brain"`, `"suv6"` (SUV 0 to 6; any number), `"0:6"`, `"0,6"` or `"1%:99%"` as a window.

    Raises:
        OptionError: if it is none of these.
    """
    word = text.strip().lower().replace("_", "-")
    if word in PRESETS:
        return PRESETS[word]
    uptake = re.fullmatch(r"suv-?(\d+(?:\.\d+)?)", word)
    if uptake:
        return Window(0, float(uptake[1]), SUV, name=word)
    ends = re.fullmatch(rf"({_NUMBER.pattern})(%?)\s*[:,]\s*({_NUMBER.pattern})(%?)", word)
    if ends is None or bool(ends[2]) != bool(ends[4]):
        presets = ", ".join([*PRESETS, "suv6"])
        raise OptionError(f"window {one_line(text)!r} is not known; give {_ACCEPTED} ({presets})")
    return Window(float(ends[1]), float(ends[3]), percent=bool(ends[2]), name=word)


def shown(images: Sequence[Image], asked: Sequence[str], names: Sequence[str] = ()) -> list[Image]:
    """The images in the windows that were asked for, each with a note of it; the others as they are.

    Args:
        images: as they were read: afterwards their values may be clipped already.
        asked: `"2=0:6"` for the second image, `"pet=suv6"` for all images of a modality or of that name, `"brain"` for
            all that a preset can be for (CT for HU, PET for SUV); ":" does for "=". The more exact one counts.
        names: names of the images that may stand for their numbers.

    Raises:
        OptionError: if a window or an image is not known, or an image is asked for twice.
        InputError: if an image is in other units than a window's.
    """
    wanted: dict[int, tuple[int, Window]] = {}
    for text in asked:
        key, window = _keyed(text)
        rank, chosen = _meant(key, window, images, names, text)
        for index in chosen:
            before = wanted.get(index)
            if before is not None and before[0] == rank:
                raise OptionError(f"--window {text}: source {index + 1} has a window already; give one")
            if before is None or before[0] < rank:
                wanted[index] = (rank, window)
    return [
        _in(image, wanted[index][1], f"source {index + 1}") if index in wanted else image
        for index, image in enumerate(images)
    ]


def in_window(image: Image, window: str | Window) -> Image:
    """The image in a window, with a note of it.

    Raises:
        OptionError: if the window is not known.
        InputError: if the image is in other units than the window's.
    """
    return _in(image, parse(window) if isinstance(window, str) else window, image.origin)


def _keyed(text: str) -> tuple[str, Window]:
    """Which image a window is for ("" where that is not said), and the window."""
    try:
        return "", parse(text)
    except OptionError:
        key, mark, rest = re.sub(r"[:=]", "\n", text, count=1).partition("\n")
        if not mark or not key.strip():
            raise
    return key.strip(), parse(rest)


def _meant(key: str, window: Window, images: Sequence[Image], names: Sequence[str], text: str) -> tuple[int, list[int]]:
    """How exactly a key names images (0 by the preset's units, 1 by modality, 2 by name or number), and which."""
    if not key:
        makers = _MADE.get(window.units, set())
        rank, chosen = 0, [i for i, image in enumerate(images) if image.modality in makers]
        if not window.units and len(images) == 1:
            chosen = [0]
    elif key.isdecimal():
        rank, chosen = 2, [int(key) - 1] if 0 < int(key) <= len(images) else []
    else:
        rank, chosen = 2, [i for i, name in enumerate(names) if name.lower() == key.lower()]
        if not chosen:
            rank, chosen = 1, [i for i, image in enumerate(images) if image.modality.value == key.upper()]
    if not chosen:
        known = ", ".join(f"{i} ({image.modality.value})" for i, image in enumerate(images, start=1))
        raise OptionError(f"--window {one_line(text)}: says of no source that it is for it; there are {known}: 1=0:80")
    return rank, chosen


_MADE = {HU: {Modality.CT}, SUV: {Modality.PET}}
"""What makes images in these units."""


def _in(image: Image, window: Window, label: str) -> Image:
    _check_units(image, window, label)
    low, high = window.low, window.high
    if window.percent:
        values = image.native()
        finite_range(values, label)
        low, high = (float(x) for x in np.percentile(values[np.isfinite(values)], (low, high)))
        if not low < high:
            raise InputError(f"{label}: its values from {window.name} are all {low:g}; give another window")
    return image.windowed(low, high, told=f"as asked for: {window.name}")


def _check_units(image: Image, window: Window, label: str) -> None:
    """A preset in HU or SUV says nothing about other numbers."""
    if not window.units:
        return
    fitting = image.units in ("", window.units) and image.modality in {*_MADE[window.units], Modality.OTHER}
    grey_levels = image.stored is not None and image.stored.dtype == np.uint8
    if fitting and not grey_levels:
        return
    what = "grey levels of 8 bits" if grey_levels else image.units or f"values of {image.modality.value}"
    way = "add --units suv, or " if image.units == "Bq/ml" and window.units == SUV else ""
    raise InputError(
        f"{label}: window {window.name} is in {window.units} and the image holds {what}; {way}give LOW:HIGH"
    )
