"""Structural similarity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.windows import WANG, Window, average, covariance, gaussian, moments, same, similarity

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
UNIFORM = 7

CARD = MetricCard(
    name="ssim",
    title="Structural similarity (SSIM)",
    summary="Local agreement of brightness, contrast and structure of the fused image with the sources.",
    formula=(
        "SSIM = mean_k mean over windows of (2 m_S m_F + C1)(2 s_SF + C2) / "
        "((m_S^2 + m_F^2 + C1)(s_S^2 + s_F^2 + C2)), Gaussian window 11 x 11, "
        "sigma 1.5; C1 = (0.01 L)^2, C2 = (0.03 L)^2, L = 255"
    ),
    paper="Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13, 2004",
    direction="high",
    range=(-1, 1),
    kind="pair",
    reduce="mean",
    volumes="generalised",
    min_size=11,
    variants={
        "sum": "summed over the sources (VIFB)",
        "evaluator": "scikit-image on float32 with data range 2: 7 x 7 uniform window, sample covariance, sum "
        "(CDDFuse's Evaluator and the tables that use it)",
        "tang": "MATLAB's ssim on doubles, whose range is 1: border pixels repeated, L = 1, mean",
        "palm": "scikit-image on 8-bit images: 7 x 7 uniform window, sample covariance, L = 255, sum (DDFM-PALM)",
    },
    notes=(
        "Windows that lie inside the image only, population variances, as in the authors' program and in scikit-image "
        "with gaussian_weights. Volumes: 11 x 11 x 11 windows. Colour: mean over channels under colour='rgb'."
    ),
    pitfalls=(
        "Constants for another data range change the value strongly (1.00 against 0.56 as a sum on one MR-CT pair). "
        "Black background counts as perfect agreement and inflates it: use mask='foreground' to see the head alone."
    ),
)


@metric(CARD, mask="windows", rgb="channels")
def ssim(source: Pixels, fused: Pixels, mask: Mask | None = None) -> float:
    """Mean SSIM of one source and the fused image."""
    return average(ssim_map(source, fused, WANG, C1, C2), mask, WANG.size)


@metric(CARD, "sum", reduce="sum", mask="windows", rgb="channels")
def total(source: Pixels, fused: Pixels, mask: Mask | None = None) -> float:
    """As `ssim`, to be summed."""
    return average(ssim_map(source, fused, WANG, C1, C2), mask, WANG.size)


@metric(CARD, "evaluator", reduce="sum", rgb="channels")
def evaluator(source: Pixels, fused: Pixels) -> float:
    """scikit-image's defaults for float32 arrays, whose range it took as 2."""
    return uniform_ssim(source, fused, np.float32, 2.0)


@metric(CARD, "palm", reduce="sum", rgb="channels")
def palm(source: Pixels, fused: Pixels) -> float:
    """scikit-image's defaults for 8-bit arrays."""
    return uniform_ssim(source, fused, np.float64, 255.0)


@metric(CARD, "tang", rgb="channels")
def tang(source: Pixels, fused: Pixels) -> float:
    """The whole image, border repeated, range 1."""
    weights = gaussian(WANG)
    x, y = source.values, fused.values
    mean_x, mean_y, xx, yy, xy = (same(image, weights, "edge") for image in (x, y, x * x, y * y, x * y))
    light = similarity(mean_x**2, mean_y**2, mean_x * mean_y, 0.01**2)
    structure = similarity(xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y, 0.03**2)
    return float((light * structure).mean())


def ssim_map(x: Pixels, y: Pixels, window: Window, c1: float, c2: float) -> Array:
    """SSIM at the centres of all windows inside the images."""
    a, b = moments(x, window), moments(y, window)
    light = similarity(a.mean**2, b.mean**2, a.mean * b.mean, c1)
    return light * contrast_structure(x, y, window, c2)


def contrast_structure(x: Pixels, y: Pixels, window: Window, c2: float) -> Array:
    """SSIM without its first factor, the comparison of brightness."""
    return similarity(moments(x, window).variance, moments(y, window).variance, covariance(x, y, window), c2)


class UniformMoments(NamedTuple):
    """An image in the precision asked for, its local mean and its local sample variance."""

    values: NDArray[Any]
    mean: NDArray[Any]
    variance: NDArray[Any]


def uniform_ssim(source: Pixels, fused: Pixels, dtype: type[np.floating[Any]], data_range: float) -> float:
    """scikit-image's default SSIM: 7-sample uniform window, sample covariance, border of 3 cropped.

    Computed in `dtype`, because in float32 rounding is not small beside the constants of a range of 2.
    """
    x, y = uniform_moments(source, dtype), uniform_moments(fused, dtype)
    unbiased = UNIFORM**x.values.ndim / (UNIFORM**x.values.ndim - 1)
    xy = unbiased * (uniform_filter(x.values * y.values, size=UNIFORM) - x.mean * y.mean)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    above = (2 * x.mean * y.mean + c1) * (2 * xy + c2)
    below = (x.mean**2 + y.mean**2 + c1) * (x.variance + y.variance + c2)
    inside = (slice(UNIFORM // 2, -(UNIFORM // 2)),) * x.values.ndim
    return float((above / below)[inside].mean(dtype=np.float64))


def uniform_moments(image: Pixels, dtype: type[np.floating[Any]]) -> UniformMoments:
    """Local moments under the uniform window, remembered."""

    def compute() -> UniformMoments:
        x = image.values.astype(dtype)
        mean = uniform_filter(x, size=UNIFORM)
        unbiased = UNIFORM**x.ndim / (UNIFORM**x.ndim - 1)
        return UniformMoments(x, mean, unbiased * (uniform_filter(x * x, size=UNIFORM) - mean * mean))

    return image.once(("uniform", dtype), compute)
