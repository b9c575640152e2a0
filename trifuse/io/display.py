"""Which native intensities are shown as black and white when the caller names none, and what counts as grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.image import Modality, finite_range

CT_WINDOW = (-200.0, 800.0)
"""Hounsfield units shown of a CT without a window of its own: level 300, width 1000, a compromise in which soft
tissue (0 to 100 HU) keeps a tenth of the grey scale and most bone is not yet white."""

DEPTHS = (1023, 4095, 16383, 65535)
"""Largest values of 10-, 12-, 14- and 16-bit pictures."""


CT_NOTE = f"shown from {CT_WINDOW[0]:g} to {CT_WINDOW[1]:g} HU, the window of a CT"

_AIR = (-1100.0, -900.0)
_FAT = -30.0
_FEWEST_VALUES = 16
_AIR_SHARE = 0.05
"""A CT shows air, most of its voxels beside the patient: a peak at -1000 HU that nothing else has."""


def is_ct(values: NDArray[Any]) -> bool:
    """Whether values are Hounsfield units: a peak of air at -1000 among what is no padding.

    A scan that is padded with -1000 has one as well, all of one value, and neither fat nor lung above it; phantoms of a
    few values lack these too.
    """
    if values.dtype.kind not in "if" or values.dtype.itemsize < 2 or values.shape[0] != 1:
        return False
    sample = values.reshape(-1)[:: max(1, values.size // 2**20)]
    inside = sample[np.isfinite(sample)] if values.dtype.kind == "f" else sample
    inside = inside[inside > _AIR[0]]
    air, body = inside[inside < _AIR[1]], inside[inside >= _AIR[1]]
    if air.size < max(1, _AIR_SHARE * inside.size) or body.size == 0 or body.max() <= _AIR[1] + 500:
        return False
    return bool(air.min() < air.max() or body.min() < _FAT or len(np.unique(body)) < _FEWEST_VALUES)


_PADDING_SHARE = 0.01


def padding_of(values: NDArray[Any]) -> float | None:
    """A negative value that stands for nothing measured: many voxels have it, and it lies farther below all others than
    they span. None if there is none; masks and label maps, which have few values, have none."""
    sample = values.reshape(-1)[:: max(1, values.size // 2**20)]
    inside = sample[np.isfinite(sample)] if values.dtype.kind == "f" else sample
    lowest = inside.min(initial=0)
    if lowest >= 0 or np.count_nonzero(inside == lowest) < _PADDING_SHARE * inside.size:
        return None
    rest = inside[inside > lowest].astype(np.float64)
    if len(np.unique(rest)) < _FEWEST_VALUES or rest.min() - float(lowest) <= rest.max() - rest.min():
        return None
    return float(lowest)


def depth_of(highest: float) -> float:
    """The smallest of `DEPTHS` that holds a value."""
    return float(next((depth for depth in DEPTHS if highest <= depth), DEPTHS[-1]))


def depth_note(top: float) -> str:
    """What is noted of 16-bit grey levels."""
    return f"16-bit grey levels shown in the window 0 to {top:g}, the depth that holds them"


def scan_view(values: NDArray[Any], modality: Modality, origin: str) -> tuple[Modality, tuple[float, float], str]:
    """What made a scan that no header tells of, its window in native units, and a note of it ("" for the range).

    Values tell a CT whatever its name; a named one that reaches below -500 HU is one too. Both are shown by
    `CT_WINDOW`, others by their finite range.

    Raises:
        InputError: if no value is finite.
    """
    low, high = finite_range(values, origin)
    if is_ct(values) or (modality is Modality.CT and low < -500):
        return Modality.CT, CT_WINDOW, CT_NOTE
    padding = padding_of(values)
    if padding is not None:
        low = float(values[values > padding].min())
        return modality, (low, high), f"{padding:g} lies far below all other values: taken as padding, shown as black"
    return modality, (low, high), ""


def scan_window(values: NDArray[Any], modality: Modality, origin: str) -> tuple[float, float]:
    """Window of a scan whose header says what made it: `CT_WINDOW` for a CT that reaches below -500 HU, else its range.

    Raises:
        InputError: if no value is finite.
    """
    low, high = finite_range(values, origin)
    return CT_WINDOW if modality is Modality.CT and low < -500 else (low, high)


SUV_TOPS = (6.0, 10.0, 15.0, 20.0, 30.0, 50.0)
"""Upper ends of the windows of SUV: 6 is a common one for bodies, 15 shows the grey matter of brains."""

_BODY_SUV = 0.1
"""Less uptake than this is air and noise beside the patient."""


def suv_window(values: NDArray[Any]) -> tuple[float, float]:
    """Window of SUV: 0 to the smallest of `SUV_TOPS` that holds 99 % of the body's voxels, a bladder aside."""
    body = values[values > _BODY_SUV]
    high = float(np.percentile(body, 99)) if body.size else 0.0
    return 0.0, next((top for top in SUV_TOPS if high <= top), SUV_TOPS[-1])


def grey_if_equal(values: NDArray[Any]) -> NDArray[Any]:
    """`(1, *space)` where the three channels of `(3, *space)` are equal, else the values themselves."""
    if values.shape[0] == 3 and np.array_equal(values[0], values[1]) and np.array_equal(values[0], values[2]):
        return values[:1]
    return values


def over_black(colour: NDArray[Any], alpha: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Colour `(C, *space)` laid over black by its opacity `(*space)` of the same number type.

    Returns:
        The values, and a note if any pixel was not fully opaque (an opaque picture loses nothing).
    """
    top = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind in "iu" else 1.0
    if bool((alpha == top).all()):
        return colour, ()
    laid = np.empty_like(colour)
    for row, opacity in enumerate(alpha):  # row by row, so that no copy of the whole is made in float64
        block = colour[:, row] * (opacity.astype(np.float64) / top)
        laid[:, row] = np.floor(block + 0.5) if colour.dtype.kind in "iu" else block
    return laid, ("transparent pixels laid over black",)


def levels(pixels: NDArray[np.float32], bits: int) -> NDArray[Any]:
    """Display values as uint8 or uint16, rounded half up: floor(x * (2^bits - 1) + 0.5); NaN becomes 0."""
    top = 2**bits - 1
    whole: NDArray[Any] = np.empty(pixels.shape, np.uint8 if bits == 8 else np.uint16)
    step = max(1, 2**20 // max(1, pixels[:, :1].size))
    for start in range(0, pixels.shape[1], step):  # in blocks, so that no copy of the whole is made in float64
        block = np.nan_to_num(pixels[:, start : start + step].astype(np.float64), copy=False, nan=0.0)
        np.clip(block, 0, 1, out=block)
        block *= top
        block += 0.5
        whole[:, start : start + step] = np.floor(block, out=block)
    return whole
