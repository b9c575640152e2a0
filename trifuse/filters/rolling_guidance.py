r"""Rolling guidance filter: edges above a scale are kept, structures below it vanish.

Sources: Zhang, Shen, Xu, Jia, "Rolling guidance filter", ECCV 2014, eqs. 3-6; the joint bilateral filter inside is
the bilateral grid of Paris and Durand, "A fast approximation of the bilateral filter", ECCV 2006, sampled at its own
sigmas, so that the blur has unit sigma in grid units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates

PADDING = 3
"""Empty cells on every side of every axis of the grid."""

KERNEL = np.exp([-0.5, 0.0, -0.5])
"""Blur along one axis, not normalised: the quotient of two blurred grids does not feel its sum."""


def rolling_guidance(
    image: NDArray[np.float64], sigma_space: float = 3, sigma_range: float = 0.05, iterations: int = 3
) -> NDArray[np.float64]:
    r"""Cartoon layer of an image: \(J_0 = 0,\ J_{t+1} = \mathrm{JBF}(I, J_t)\).

    Args:
        image: (H, W), finite.
        sigma_space: scale of the structures to remove, in pixels.
        sigma_range: contrast of the edges to keep, in the unit of the image.
        iterations: joint bilateral passes; the first, with a constant guide, is a plain blur.
    """
    guided = np.zeros_like(image)
    for _ in range(iterations):
        guided = joint_bilateral(image, guided, sigma_space, sigma_range)
    return guided


def joint_bilateral(
    image: NDArray[np.float64], guide: NDArray[np.float64], sigma_space: float, sigma_range: float
) -> NDArray[np.float64]:
    """`image` (H, W) averaged over neighbours that are near in space and in the value of `guide` (H, W)."""
    low = guide.min()
    depth = (guide - low) / sigma_range
    axes = [np.arange(n) / sigma_space for n in image.shape]
    shape = tuple(int(np.floor(axis[-1])) + 1 + 2 * PADDING for axis in (*axes, depth.max(keepdims=True).ravel()))
    row, column = (_nearest(axis) for axis in axes)
    cells = (row[:, None] * shape[1] + column) * shape[2] + _nearest(depth)
    sums, counts = (_blurred(_splat(cells, values, shape)) for values in (image, np.ones_like(image)))
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts != 0)
    points = np.empty((3, *image.shape))
    points[0], points[1], points[2] = axes[0][:, None], axes[1], depth
    sliced: NDArray[np.float64] = map_coordinates(means, points + PADDING, order=1, mode="nearest", prefilter=False)
    return sliced


def _nearest(position: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the nearest cell; halves are rounded up."""
    return np.floor(position + 0.5).astype(np.int64) + PADDING


def _splat(cells: NDArray[np.int64], values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Grid of the sums of the values that fall into each cell."""
    sums: NDArray[Any] = np.bincount(cells.ravel(), values.ravel(), int(np.prod(shape)))
    return sums.reshape(shape)


def _blurred(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Separable 3x3x3 blur with zeros outside."""
    for axis in range(3):
        grid = correlate1d(grid, KERNEL, axis, mode="constant")
    return grid
