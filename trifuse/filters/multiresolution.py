"""The bitonic X filter on a pyramid: also smooths noise that is larger than its windows.

Source: Treece, bitonic X filter, `mxbitonic2` in release 1.0.3 (2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.filters.bitonic import (
    BYTE_FACTOR,
    Bitonic,
    automatic_half_width,
    automatic_threshold,
    bitonic,
    grey_range_of,
)
from trifuse.filters.pyramid import prolong, restrict

MOST_LEVELS = 5
HALF_WIDTHS = (3, 10)
LEAST_INTEGER_THRESHOLD = 3


def multiresolution_bitonic(image: NDArray[Any], threshold: float | None = None) -> NDArray[Any]:
    """The filtered grey image (H, W), float (0..1), uint8 or int32, with windows that follow the noise.

    Every level of the pyramid is filtered on the way down, with a threshold that halves from level to level, and the
    difference between levels again on the way up.

    Args:
        threshold: noise level t in grey levels; None = four deviations of the estimated noise.
    """
    grey_range = grey_range_of(image)
    integer = image.dtype.kind in "iu"
    if threshold is None:
        threshold = automatic_threshold(image[None].astype(np.float64), grey_range, integer=integer)
    half_width = automatic_half_width(threshold, grey_range, octave=1.0, widths=HALF_WIDTHS)
    factor = BYTE_FACTOR if image.dtype == np.uint8 else 1
    thresholds = _thresholds(threshold * factor, half_width, image.shape, integer=integer)
    working = image.astype(np.int32 if integer else np.float64) * factor
    filtered = _filtered(working, thresholds, half_width)
    if not integer:
        return filtered.astype(image.dtype, copy=False)
    limits = np.iinfo(image.dtype)
    return np.clip(np.floor(filtered / factor + 0.5), limits.min, limits.max).astype(image.dtype)


def _thresholds(threshold: float, half_width: int, shape: tuple[int, ...], *, integer: bool) -> list[float]:
    """One per level: t, t/(2.4f), and half of the one before from there on."""
    levels = max(1, min(MOST_LEVELS, int(np.ceil(np.log2(min(shape) / (2 * half_width + 1))))))
    thresholds = [threshold] + [threshold / (2.4 * half_width) / 2**level for level in range(levels - 1)]
    if not integer:
        return thresholds
    rounded: list[float] = [int(np.floor(t + 0.5)) for t in thresholds]
    return rounded[:1] + [t for t in rounded[1:] if t >= LEAST_INTEGER_THRESHOLD]


def _filtered(image: NDArray[Any], thresholds: list[float], half_width: int) -> NDArray[Any]:
    def smooth(values: NDArray[Any], threshold: float, level: int) -> NDArray[Any]:
        return bitonic(values, Bitonic(threshold=threshold, half_width=half_width, level=level))

    def as_levels(values: NDArray[np.float64]) -> NDArray[Any]:
        return np.floor(values + 0.5).astype(np.int32) if image.dtype.kind == "i" else values

    details = []
    for level, threshold in enumerate(thresholds):
        filtered = smooth(image, threshold, level)
        if level < len(thresholds) - 1:
            image = as_levels(restrict(filtered.astype(np.float64)))
            size = (filtered.shape[0], filtered.shape[1])
            filtered = filtered - as_levels(prolong(image.astype(np.float64), size))
        details.append(filtered)
    result = details[-1]
    for level in range(len(thresholds) - 1, 0, -1):
        detail = details[level - 1]
        size = (detail.shape[0], detail.shape[1])
        finer = detail + as_levels(prolong(result.astype(np.float64), size))
        result = smooth(finer, thresholds[level], -level)
    return result
