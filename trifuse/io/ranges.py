"""The range of grey levels of arrays and float pictures, which say nothing of it themselves.

A number type may tell it (bytes, truth values), the values may (Hounsfield units; floats that keep to 0..1 but for a
little overshoot; whole numbers up to 255), the other images of the call may. What is left is a guess, and warned about.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import OptionError
from trifuse.core.image import finite_range
from trifuse.io.display import CT_NOTE, CT_WINDOW, depth_note, depth_of, is_ct

Ends = tuple[float, float]

_BYTE: Ends = (0.0, 255.0)

_OVERSHOOT = 0.05
"""How far beyond its ends a range may be left by interpolation or by a network's output, as a share of it."""

_STRAY, _STRAY_SHARE = 0.5, 0.01
"""A hundredth of the values may lie farther out, by half of the range."""

_FILLED = 0.1
"""Values that fill less than this share of the others' range are not on it: SUV beside bytes, for example."""


class RangeWarning(UserWarning):
    """The range of an image's grey levels was guessed."""


@dataclass(frozen=True)
class Range:
    """Where the grey levels of an image lie.

    Attributes:
        ends: the values shown as black and white.
        sure: whether nothing was guessed.
        note: what was decided, "" where nothing was to decide.
    """

    ends: Ends
    sure: bool
    note: str = ""


def told(values: NDArray[Any], origin: str) -> Range:
    """The range by number type and values alone.

    Raises:
        InputError: if no value is finite.
    """
    if values.dtype == np.uint8:
        return Range(_BYTE, True)
    if values.dtype == np.bool_:
        return Range((0.0, 1.0), True)
    low, high = finite_range(values, origin)
    if is_ct(values):
        return Range(CT_WINDOW, True, CT_NOTE)
    if values.dtype == np.uint16:
        top = depth_of(high)
        return Range((0.0, top), True, depth_note(top))
    if values.dtype.kind == "f":
        return _of_floats(values, low, high)
    if low >= 0 and high <= 1:
        return Range((0.0, 1.0), True, f"{values.dtype} values 0 and 1 taken as black and white")
    if low >= 0 and high <= 255:
        return Range(_BYTE, True, f"{values.dtype} values up to {high:g} taken as grey levels 0..255")
    return Range((low, high), False)


def among(own: Range, values: NDArray[Any], others: Sequence[Range], label: str) -> Range:
    """The range where it had to be guessed: that of the images of the call which know theirs, if it can be this one's.

    Warns with a `RangeWarning` where it stays a guess.

    Args:
        own: what the values told.
        values: of the image.
        others: ranges of the other images.
        label: name of the image, for the note and the warning.
    """
    if own.sure:
        return own
    low, high = finite_range(values, label)
    common = {other.ends for other in others if other.sure and other.ends[0] == 0}
    if len(common) == 1:
        ((_, top),) = common
        if -_OVERSHOOT * top <= low and _FILLED * top <= high <= (1 + _OVERSHOOT) * top:
            return Range((0.0, top), True, f"grey levels taken as 0..{top:g}, like those of the other images")
    guess = _guessed(own, low, high)
    text = (
        f"{values.dtype} values {low:g}..{high:g} do not tell their range: {guess.ends[0]:g}..{guess.ends[1]:g} taken"
    )
    warnings.warn(f"{label}: {text}; give range=(low, high), or values 0..1", RangeWarning, stacklevel=2)
    return Range(guess.ends, False, text)


def given(ends: Ends | None) -> Range | None:
    """A range that the caller knows.

    Raises:
        OptionError: if it is none.
    """
    if ends is None:
        return None
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError):
        raise OptionError(f"range={ends!r} is no range; give (low, high), such as (0, 255)") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise OptionError(f"range={ends!r} is empty; give (low, high) with low < high, such as (0, 255)")
    return Range((low, high), True, f"grey levels {low:g}..{high:g} as given")


def _of_floats(values: NDArray[Any], low: float, high: float) -> Range:
    if low >= 0 and high <= 1:
        return Range((0.0, 1.0), True)
    stray = int(np.count_nonzero((values < 0) | (values > 1)))
    near = low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT
    few = low >= -_STRAY and high <= 1 + _STRAY and stray <= _STRAY_SHARE * values.size
    if near or few:
        return Range((0.0, 1.0), True, f"{stray} values outside 0..1 ({low:g}..{high:g}) clipped")
    return Range((low, high), False)


def _guessed(own: Range, low: float, high: float) -> Range:
    """Bytes if it may be bytes and fills half of their range, -1..1 if it keeps to that, else from least to most."""
    if low >= 0 and 127 < high <= 255:
        return Range(_BYTE, False)
    if -1 <= low < -0.5 and high <= 1:
        return Range((-1.0, 1.0), False)
    return own
