"""Halving and doubling an image with Catmull-Rom kernels: the pyramid of the multi-resolution bitonic filter.

Source: Treece, bitonic X filter, `mxbitonic2` in release 1.0.3 (2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

KERNEL = np.array([-1, 0, 9, 16, 9, 0, -1], dtype=np.float64)

Pixels = NDArray[np.float64]


def restrict(image: Pixels) -> Pixels:
    """Half the size along the last two axes: N odd gives (N + 1)/2, N even N/2 + 1 samples.

    The border is replicated; for an even N one sample of 0 follows the replicated ones, as in the original.
    """
    return _halved(_halved(image, -2), -1)


def prolong(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Doubles the size along the last two axes and cuts to `size`; sample 0 stays sample 0."""
    return _doubled(_doubled(image, -2, size[0]), -1, size[1])


def _halved(image: Pixels, axis: int) -> Pixels:
    n = image.shape[axis]
    padded = _padded(image, axis, 3, "edge")
    if n % 2 == 0:
        padded = _padded(padded, axis, 1, "constant")
    smooth = correlate1d(padded, KERNEL / 32, axis=axis, mode="constant")
    first = 3 + (n % 2 == 0)
    samples = (n + 1) // 2 if n % 2 else n // 2 + 1
    halved: Pixels = np.take(smooth, first + 2 * np.arange(samples), axis=axis)
    return halved


def _doubled(image: Pixels, axis: int, size: int) -> Pixels:
    padded = _padded(image, axis, 1, "edge")
    shape = list(padded.shape)
    shape[axis] *= 2
    spread = np.zeros(shape)
    np.moveaxis(spread, axis, 0)[::2] = np.moveaxis(padded, axis, 0)
    smooth = correlate1d(spread, KERNEL / 16, axis=axis, mode="constant")
    doubled: Pixels = np.take(smooth, np.arange(2, 2 + size), axis=axis)
    return doubled


def _padded(image: Pixels, axis: int, width: int, mode: str) -> Pixels:
    widths = [(0, 0)] * image.ndim
    widths[axis] = (width, width)
    padded: Pixels = np.pad(image, widths, mode=mode)  # type: ignore[call-overload]
    return padded
