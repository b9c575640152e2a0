"""Which neighbours belong to a pixel: the masks of the threshold-based rank opening.

A neighbour belongs if it differs little from the pixel, in a smooth guide image and in the image itself. How much
is little follows the local contrast. Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021): `xrankopen2`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, floor, pi, sqrt, trunc
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from trifuse.filters.structure_tensor import Plane

UNLIMITED = 1e10
UNLIMITED_INTEGER = 32768
FLAT, BUSY = 0.9, 1.57
WIDEST, NARROWEST = 1.6, 0.7


@dataclass(frozen=True)
class MaskRule:
    """How far masks reach.

    Attributes:
        half_width: of the square window, in pixels.
        threshold: noise level t in grey levels; 0 and below = no limit.
        level: of the pyramid; 0 = full resolution, negative on the way up.
        integer: whether grey levels are integers, which rounds every limit.
    """

    half_width: int
    threshold: float
    level: int = 0
    integer: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the window fits into an image (H, W)."""
        return self.half_width <= min(shape[0] // 2, shape[1] // 2)


@dataclass(frozen=True, eq=False)
class RangeMasks:
    """Pixel q belongs to the mask of p if q lies in p's window and every range below holds q's value.

    Attributes:
        guide: (H, W), the values compared with `guide_low`, `guide_high` of p, ends included.
        grey: (H, W), the values compared with `grey_low`, `grey_high`.
        colour_limit: largest difference per channel, or infinity.
        uniform: whether all ranges of the guide are equally wide and the other limits never bind; then the
            masks are symmetric, but for rounding.
    """

    guide: Plane
    guide_low: Plane
    guide_high: Plane
    grey: Plane
    grey_low: Plane
    grey_high: Plane
    colour_limit: float
    uniform: bool


def range_masks(image: NDArray[np.float64], grey: Plane, guide: Plane, rule: MaskRule) -> RangeMasks:
    r"""The masks of an image (C, H, W) with its grey image and guide (H, W).

    \(|E_q - E_p| \le \theta\tau_p\) and \(|S_q - S_p| \le \theta_S\tau_p + 2\max(0, |S_p - E_p| - b)\), E the grey
    image, S the guide, \(b = \theta(0.5 + 0.5/d_m)\); \(\theta\) is t for grey images, \(t/\sqrt3\) for colour.
    """
    rounded = _half_up if rule.integer else _as_is
    threshold = _threshold(rule)
    theta = threshold if len(image) == 1 else threshold / sqrt(3)
    theta = float(trunc(theta)) if rule.integer else theta
    diameter, guide_share = _diameters(rule)
    factor = _local_factor(image, grey, threshold, theta, rule)
    grey_width = rounded(theta * factor)
    guide_width = rounded(float(rounded(np.float64(theta / guide_share))) * factor)
    allowed = rounded(np.float64(theta * (0.5 + 0.5 / diameter)))
    excess = 2 * np.maximum(0, np.abs(guide - grey) - allowed)
    guide_width = guide_width + excess
    limit = np.inf
    if len(image) > 1 and rule.level not in (0, -1):
        limit = float(rounded(np.float64(theta * sqrt(len(image)) * sqrt(3))))
    grey_low, grey_high = grey - grey_width, grey + grey_width
    unbound = grey_low.max() <= grey.min() and grey_high.min() >= grey.max() and limit == np.inf
    return RangeMasks(
        guide=guide,
        guide_low=guide - guide_width,
        guide_high=guide + guide_width,
        grey=grey,
        grey_low=grey_low,
        grey_high=grey_high,
        colour_limit=limit,
        uniform=bool(unbound and guide_width.min() == guide_width.max()),
    )


def _threshold(rule: MaskRule) -> float:
    if rule.integer:
        whole = floor(rule.threshold + 0.5)
        return float(whole) if whole > 0 else float(UNLIMITED_INTEGER)
    return rule.threshold if rule.threshold > 0 else UNLIMITED


def _diameters(rule: MaskRule) -> tuple[float, float]:
    """How much smoother than the image the guide is expected to be: d_m for its noise, and for its contrast."""
    reach = (rule.half_width + 0.5) * 1.2
    if rule.level == 0:
        diameter = sqrt(pi) * reach * 0.85
        return diameter, diameter * erf(reach / 24)
    return 2.0, 2.0 * erf(reach / 12)


def _local_factor(image: NDArray[np.float64], grey: Plane, threshold: float, theta: float, rule: MaskRule) -> Plane:
    """tau: 1.6 where the window is flat, down to 0.7 where it holds more contrast than noise explains."""
    spread = float(image.max() - image.min())
    enough = floor(spread / 20) if rule.integer else spread / 20
    if rule.level != 0 or not threshold > enough:
        return np.ones_like(grey)
    size = 2 * rule.half_width + 1
    most = maximum_filter(grey, size, mode="nearest")
    least = minimum_filter(grey, size, mode="nearest")
    contrast = (most - least) / theta
    factor = WIDEST - (contrast - FLAT) * 0.9 / 0.67
    factor = np.where(contrast > BUSY, NARROWEST, np.where(contrast < FLAT, WIDEST, factor))
    extreme = np.minimum(grey - least, most - grey) / theta
    return np.where((factor < 1) & (extreme < 0.7), 1 - extreme * (1 - factor) / 0.7, factor)


def _half_up(values: Any) -> Any:
    return np.floor(values + 0.5)


def _as_is(values: Any) -> Any:
    return values
