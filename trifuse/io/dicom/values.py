"""Native values of stored ones: rescaled, without padding, in a type that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.io.dicom.units import real_world

if TYPE_CHECKING:
    from pydicom import Dataset


def rescaled(values: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Native values of stored ones: slope and intercept, or the modality LUT.

    Whole slopes and intercepts keep integers; others give float64. Objects with real-world values alone give these.

    Raises:
        ValueError: if slope or intercept is not finite, or a slope of 0 would wipe out what is stored.
    """
    from pydicom.pixels import apply_modality_lut

    mapping = real_world(header)
    if mapping is not None:
        return mapping.of(values)
    if header.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(values, header))
    slope, intercept = (first_number(header.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if header.get("DoseGridScaling"):
        slope = float(header.DoseGridScaling)
    if not np.isfinite([slope, intercept]).all():
        raise ValueError(f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} are no numbers")
    if slope == 0 and values.size and values.min() != values.max():
        raise ValueError("RescaleSlope is 0, which would make all values alike")
    if (slope, intercept) == (1.0, 0.0):
        return values
    if values.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        wide = np.int32 if values.dtype.itemsize <= 2 and abs(slope) < 2**14 and abs(intercept) < 2**30 else np.int64
        return narrowed(values.astype(wide) * int(slope) + int(intercept))
    return values.astype(np.float64) * slope + intercept


def without_padding(values: NDArray[Any], *, inverted: bool = False) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Values in which masked pixels, padding by their header, have the intensity shown black, and a note.

    Padding that could be an intensity, within a hundredth of the range of the others, stays as it is.
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values, ()
    mask, plain = np.ma.getmaskarray(values), values.data
    real = plain[~mask]
    if real.size in (0, plain.size):
        return plain, ()
    low, high = float(real.min()), float(real.max())
    padded, slack = plain[mask], (high - low) / 100
    if low - slack <= float(padded.min()) and float(padded.max()) <= high + slack:
        return plain, ()
    share = 100 * mask.sum() / mask.size
    note = f"padding ({share:.2g} % of the pixels) is no intensity: shown black"
    return values.filled(real.max() if inverted else real.min()), (note,)


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """Wide integers in the smallest of int16, uint16 and int32 that holds them; other types as they are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize <= 2:
        return values
    low, high = int(values.min()), int(values.max())
    for kind in (np.int16, np.uint16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind, copy=False)
    return values


def first_number(value: Any) -> float | None:
    """First number of an attribute that may be empty, single or multi-valued."""
    if value is None or value == "":
        return None
    if isinstance(value, (str, int, float)):
        return float(value)
    return float(value[0]) if len(value) else None
