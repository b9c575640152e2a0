"""What Yang's, Cvejic's and Piella's metrics share: guarded local statistics and weights of the sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.windows import Window, covariance, moments, normalised, similarity

FLAT = 1e-9
"""A window is flat if its variance is at most this share of its mean square: below, only rounding is left."""

C = 2e-16


def flat(image: Pixels, window: Window) -> Mask:
    """Where the windows are flat."""
    mean, variance = moments(image, window)
    return np.less_equal(variance, FLAT * np.maximum(variance + mean**2, 1))


def spread(image: Pixels, window: Window) -> Array:
    """Local variance, 0 in flat windows."""
    return np.where(flat(image, window), 0, moments(image, window).variance)


def common(x: Pixels, y: Pixels, window: Window) -> Array:
    """Local covariance, 0 where either window is flat."""
    return np.where(flat(x, window) | flat(y, window), 0, covariance(x, y, window))


def salience(sources: Sequence[Pixels], window: Window) -> Array:
    """Share of each source `(N, ...)` in the local variance; equal shares where all are flat."""
    return normalised([spread(source, window) for source in sources])


def bare_similarity(x: Pixels, y: Pixels, window: Window) -> Array:
    """SSIM map with vanishing constants, guarded: two flat windows of equal brightness have 1."""
    a, b = moments(x, window).mean, moments(y, window).mean
    light = similarity(a**2, b**2, a * b, C)
    return light * similarity(spread(x, window), spread(y, window), common(x, y, window), C)


def unguarded_similarity(x: Pixels, y: Pixels, window: Window) -> Array:
    """SSIM map with vanishing constants, rounding noise and all."""
    a, b = moments(x, window), moments(y, window)
    light = similarity(a.mean**2, b.mean**2, a.mean * b.mean, C)
    return light * similarity(a.variance, b.variance, covariance(x, y, window), C)
