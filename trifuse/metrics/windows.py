"""Local means, variances and covariances under Gaussian windows, in separable 1-D passes, for any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from trifuse.core.errors import InputError
from trifuse.metrics.correlate import along
from trifuse.metrics.pixels import Array, Mask, Pixels

Border = Literal["constant", "edge", "reflect", "symmetric"]
"""What lies beyond the image: zeros, its edge repeated, or its mirror image without or with the edge repeated."""


class Window(NamedTuple):
    """A Gaussian window of `size` samples per axis with standard deviation `sigma`, weights of sum 1."""

    size: int
    sigma: float


WANG = Window(11, 1.5)
"""The window of SSIM (Wang et al. 2004)."""

YANG = Window(7, 1.5)
"""The window of Yang's and Cvejic's metrics as commonly computed."""


class Moments(NamedTuple):
    """Local mean and local (population) variance, at the centres of all windows inside the image."""

    mean: Array
    variance: Array


def gaussian(window: Window) -> Array:
    """The weights along one axis; the n-D window is their outer product."""
    offset = np.arange(window.size) - (window.size - 1) / 2
    weights = np.exp(-(offset**2) / (2 * window.sigma**2))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def valid(x: Array, weights: Array) -> Array:
    """Correlation with `weights` along every axis, only where the window lies inside the image."""
    for axis in range(x.ndim):
        x = along(x, weights, axis)
    return x


def same(x: Array, weights: Array, border: Border = "constant") -> Array:
    """Correlation with `weights` along every axis over the whole image, zeros (or repeated edges) beyond it."""
    return valid(np.pad(x, len(weights) // 2, mode=border), weights)


def box_sums(x: Array, size: int) -> Array:
    """Sums over all windows of `size` samples per axis inside the image; exact for whole numbers."""
    for axis in range(x.ndim):
        total = np.cumsum(x, axis=axis)
        first = np.take(total, [size - 1], axis=axis)
        upper = np.take(total, range(size, x.shape[axis]), axis=axis)
        lower = np.take(total, range(x.shape[axis] - size), axis=axis)
        x = np.concatenate([first, upper - lower], axis=axis)
    return x


def moments(image: Pixels, window: Window) -> Moments:
    """Local mean and variance of an image, remembered for the metrics that follow."""

    def compute() -> Moments:
        weights = gaussian(window)
        mean = valid(image.values, weights)
        return Moments(mean, valid(image.values**2, weights) - mean**2)

    return image.once(("moments", window), compute)


def covariance(x: Pixels, y: Pixels, window: Window) -> Array:
    """Local covariance of two images, remembered for the metrics that follow."""

    def compute() -> Array:
        both = valid(x.values * y.values, gaussian(window))
        return np.asarray(both - moments(x, window).mean * moments(y, window).mean)

    first, second = (x, y) if id(x) < id(y) else (y, x)
    return first.once(("covariance", second, window), compute)


def similarity(a: Array, b: Array, ab: Array, constant: float) -> Array:
    """The ratio of which all structural similarities are made: (2 ab + c) / (a + b + c)."""
    return np.asarray((2 * ab + constant) / (a + b + constant))


def halved(x: Array) -> Array:
    """Means of 2 x 2 (x 2) blocks, the last sample of an odd side repeated: half the resolution."""
    for axis in range(x.ndim):
        if x.shape[axis] % 2:
            x = np.concatenate([x, np.take(x, [-1], axis=axis)], axis=axis)
        pairs = np.moveaxis(x, axis, 0)
        x = np.moveaxis((pairs[::2] + pairs[1::2]) / 2, 0, axis)
    return np.ascontiguousarray(x)


def block_sums(x: Array, size: int) -> Array:
    """Sums over blocks of size x size of an image `(H, W)`; blocks at the border are filled up with zeros."""
    height, width = (-(-n // size) * size for n in x.shape)
    padded = np.zeros((height, width))
    padded[: x.shape[0], : x.shape[1]] = x
    return np.asarray(padded.reshape(height // size, size, width // size, size).sum(axis=(1, 3)))


def average(values: Array, mask: Mask | None, size: int) -> float:
    """Mean of a map over windows of `size`, over those alone whose centres are in `mask` if there is one.

    Raises:
        InputError: if the mask holds no centre of a window.
    """
    if mask is None:
        return float(values.mean())
    before = (size - 1) // 2
    inside = mask[tuple(slice(before, before + n) for n in values.shape)]
    if not inside.any():
        raise InputError(f"the mask holds no centre of a {size}-pixel window; give a larger mask or none")
    return float(values[inside].mean())


def normalised(weights: Sequence[Array]) -> Array:
    """Weights `(N, ...)` divided by their sum over N; equal weights where all are 0."""
    stacked = np.stack(list(weights))
    total = stacked.sum(axis=0)
    zero = total == 0
    return np.asarray(np.where(zero, 1 / len(stacked), stacked / np.where(zero, 1, total)))
