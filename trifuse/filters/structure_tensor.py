"""The structure tensor: which way the lines of an image run, and how clearly.

Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021): functions `grad2`, `gauss2`, `structensor2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Plane = NDArray[np.float64]
"""A grey image (H, W) in float64."""


@dataclass(frozen=True, eq=False)
class StructureTensor:
    """What the structure tensor says at each pixel.

    Attributes:
        anisotropy: (H, W) in 0..1; 0 where nothing has a direction, 1 along a perfect line.
        direction: (H, W) angle in 0..pi; 0 and pi are the same.
        corner: (H, W), at least 0, how much two directions cross; None if it was not asked for.
    """

    anisotropy: Plane
    direction: Plane
    corner: Plane | None = None


def gaussian_weights(extent: float) -> Plane:
    r"""Normalised weights \(e^{-x^2/(g/2)^2}\), \(|x| \le \lfloor g \rfloor\), of the Gaussian of extent g.

    The two shortest are lifted at their ends, so that a short filter still smooths.
    """
    half = int(np.floor(extent))
    if half == 0:
        return np.ones(1)
    weights = np.exp(-((np.arange(-half, half + 1) / (extent / 2)) ** 2))
    if half == 1:
        weights[[0, 2]] = 0.75 + 0.25 * weights[[0, 2]]
    elif half == 2:
        weights[[0, 4]] = 0.1 + 0.9 * weights[[0, 4]]
        weights[[1, 3]] = 0.25 + 0.75 * weights[[1, 3]]
    normalised: Plane = weights / weights.sum()
    return normalised


def gaussian(image: Plane, extent: float) -> Plane:
    """Separable Gaussian of the given extent with replicated borders; an extent below 1 changes nothing.

    Direct convolution, never Fourier or running sums: flat parts must come out exactly flat.
    """
    weights = gaussian_weights(extent)
    if weights.size == 1:
        return image.copy()
    smooth: Plane = correlate1d(correlate1d(image, weights, axis=0, mode="nearest"), weights, axis=1, mode="nearest")
    return smooth


def gradients(image: Plane) -> tuple[Plane, Plane]:
    """Slopes along columns (x) and rows (y): [-1, 0, 1]/2 one way, [1, 2, 1]/4 the other, borders replicated.

    As in the original the kernel is convolved, so that a slope is positive where values fall. The image is
    smoothed first, so that the difference of equal values is exactly 0.
    """
    smoothing, derivative = np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.0, -0.5])

    def along(axis: int) -> Plane:
        smooth = correlate1d(image, smoothing, axis=1 - axis, mode="nearest")
        slope: Plane = correlate1d(smooth, derivative, axis=axis, mode="nearest")
        return slope

    return along(1), along(0)


def structure_tensor(image: Plane, extent: float, *, corner: bool = False) -> StructureTensor:
    r"""Anisotropy, direction and, if asked for, cornerness of an image.

    With \(G\) the Gaussian of extent g: \(T_{xx} = G(X^2)\), \(T_{yy} = G(Y^2)\), \(T_{xy} = G(2XY)\),
    \(T_1 = T_{xx} + T_{yy}\), \(D = T_{xx} - T_{yy}\), \(T_2 = \sqrt{D^2 + T_{xy}^2}\);
    direction \((\operatorname{atan2}(T_{xy}, D) + \pi)/2\), anisotropy \(\max(0, 1 - s/(T_1 + T_2))\), 0 where
    \(T_1 = 0\), s the smoothed \(T_1 - T_2\) (see `_smoothed_in_line`).
    """
    x, y = gradients(image)
    xx, yy, xy = gaussian(x * x, extent), gaussian(y * y, extent), gaussian(2 * x * y, extent)
    total, difference = xx + yy, xx - yy
    elongation = np.sqrt(difference * difference + xy * xy)
    direction = (np.arctan2(xy, difference) + np.pi) / 2
    crossing = _corner(total, elongation) if corner else None
    return StructureTensor(_anisotropy(total, elongation, extent), direction, crossing)


def _anisotropy(total: Plane, elongation: Plane, extent: float) -> Plane:
    anisotropy = np.zeros_like(total)
    some = total > 0
    if some.any():
        share = _smoothed_in_line((total - elongation), some, extent) / (total[some] + elongation[some])
        anisotropy[some] = np.maximum(0, 1 - share)
    return anisotropy


def _smoothed_in_line(values: Plane, some: NDArray[np.bool_], extent: float) -> Plane:
    """The values at `some`, smoothed along one line that strings them together down the columns.

    The published filter smooths the second eigenvalue so, which comes from indexing a matrix by a mask and is
    kept: results would differ. The Gaussian has extent 2g; the ends are replicated.
    """
    weights = gaussian_weights(2 * extent)
    line = correlate1d(values.T[some.T], weights, mode="nearest")
    smooth = np.zeros_like(values.T, order="C")
    smooth[some.T] = line
    at_some: Plane = smooth.T[some]
    return at_some


def _corner(total: Plane, elongation: Plane) -> Plane:
    r"""\(\max(0, (Z - 2\mu)/(38\mu))\), \(Z = (T_1 - T_2)(T_1 + T_2)/2\), \(\mu\) the mean of its lower part."""
    z = (total - elongation) * (total + elongation) / 2
    most = z.max()
    if not most > 0:
        return np.zeros_like(z)
    grey = 255 * z / most
    lowest = grey.min()
    width = (grey.max() - lowest) / 256
    if width == 0:
        return np.zeros_like(z)
    bins = np.clip(np.ceil((grey - lowest) / width), 1, 256).astype(np.int64) - 1
    share = np.cumsum(np.bincount(bins.ravel(), minlength=256)) / z.size
    limit = int(np.argmax(share > 0.9)) + 1
    lower = z[grey < limit]
    usual = lower.mean() if lower.size else 0.0
    if not usual > 0:
        return np.zeros_like(z)
    cornerness: Plane = np.maximum(0, (z - 2 * usual) / (40 * usual - 2 * usual))
    return cornerness
