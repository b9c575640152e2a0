"""Contrast sensitivity filters of human vision, shared by Q_CV and Q_CB."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trifuse.metrics.pixels import Array

Sensitivity = Callable[[Array], Array]
"""Gain as a function of the radial frequency."""


def sensed(x: Array, sensitivity: Sensitivity, pixels_per_cycle: float) -> Array:
    """An image `(H, W)` filtered in frequency by a sensitivity of the radial frequency.

    The radial frequency is sqrt(u^2 + v^2) with u = (W / pixels_per_cycle) fx, v = (H / pixels_per_cycle) fy and fx,
    fy in -1..1 (1 = half the sampling rate). Complex transforms and this order of operations are those of the original:
    on black background Q_CB divides what rounding leaves here, so that a real transform would change its 4th digit.
    """
    height, width = x.shape
    u = frequencies(width) * width / pixels_per_cycle
    v = frequencies(height) * height / pixels_per_cycle
    gain = sensitivity(np.sqrt(u[None, :] ** 2 + v[:, None] ** 2))
    return np.ascontiguousarray(np.fft.ifft2(np.fft.fft2(x.astype(np.complex128)) * gain).real)


def frequencies(n: int) -> Array:
    """Frequencies of n samples, 1 = half the sampling rate, in the order of the FFT."""
    return np.fft.ifftshift(np.arange(-(n - n % 2), n, 2) / n)
