"""Visual information fidelity in the pixel domain."""

from __future__ import annotations

import warnings
from math import log10
from typing import NamedTuple

import numpy as np

from trifuse.core.compiled import compiled
from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import MetricWarning, Pixels
from trifuse.metrics.windows import Window, covariance, gaussian, moments, valid

SCALES = tuple(Window(size, size / 5) for size in (17, 9, 5, 3))
NOISE = 2.0
"""Variance of the noise of the visual system."""

TINY = 1e-10

CARD = MetricCard(
    name="vif",
    title="Visual information fidelity (VIF; 'VIFF' in many fusion tables)",
    summary="How much of the visual information of each source the fused image still carries.",
    formula=(
        "VIF = sum_k [ sum log10(1 + g^2 s_S^2 / (v + 2)) / sum log10(1 + s_S^2 / 2) ] over 4 scales, "
        "g = s_SF / s_S^2, v = s_F^2 - g s_SF, Gaussian windows 17, 9, 5, 3 with sigma = size / 5"
    ),
    paper="Sheikh and Bovik, IEEE Trans. Image Process. 15, 2006 (pixel-domain form)",
    direction="high",
    range=(0, None),
    kind="pair",
    reduce="sum",
    volumes="slices",
    min_size=41,
    variants={
        "evaluator": "the default itself: CDDFuse's Evaluator (there 'VIFF'), DDFM-PALM",
        "matlab": "as the MATLAB programs, where a source without any variance gives 0/0: its term counts as 0",
        "mean": "mean over the sources instead of the sum",
    },
    notes=(
        "The source is the reference, the fused image the distorted one; swapped they give other values. A source "
        "without any variance counts as 1, with a warning. Volumes: numerators and denominators are summed over the "
        "axial slices."
    ),
    pitfalls=(
        "Sum or mean differ by the factor N. Enhanced contrast gives values above 1 for a source. Han's VIFF (2013) "
        "and the wavelet-domain VIF are other measures; papers that cite Han often print this one."
    ),
)


class Carried(NamedTuple):
    """Information that reaches the viewer through the fused image, and from the source directly."""

    through: float
    direct: float


@metric(CARD, pools=True)
def vif(source: Pixels, fused: Pixels) -> float:
    """VIF of one source, 1 if it carries no information."""
    return fidelity(source, fused, empty=1.0)


@metric(CARD, "evaluator", pools=True)
def evaluator(source: Pixels, fused: Pixels) -> float:
    """The default."""
    return fidelity(source, fused, empty=1.0)


@metric(CARD, "matlab", pools=True)
def matlab(source: Pixels, fused: Pixels) -> float:
    """As `vif`, 0 if the source carries no information."""
    return fidelity(source, fused, empty=0.0)


@metric(CARD, "mean", reduce="mean", pools=True)
def mean(source: Pixels, fused: Pixels) -> float:
    """As `vif`, to be averaged."""
    return fidelity(source, fused, empty=1.0)


def fidelity(source: Pixels, fused: Pixels, empty: float) -> float:
    """Ratio of carried to direct information over all scales and slices; `empty` where there is none."""
    carried = fused.once(("carried", source), lambda: _carried(source, fused))
    if carried.direct == 0:
        warnings.warn(f"vif: a flat source carries no information; counted as {empty:g}", MetricWarning, stacklevel=2)
        return empty
    return carried.through / carried.direct


def _carried(source: Pixels, fused: Pixels) -> Carried:
    through = direct = 0.0
    for x, y in zip(source.slices(), fused.slices(), strict=True):
        for step, window in enumerate(SCALES):
            if step:
                x, y = coarser(x, window), coarser(y, window)
            scale = at_scale(x, y, window)
            through += scale.through
            direct += scale.direct
    return Carried(through, direct)


def coarser(image: Pixels, window: Window) -> Pixels:
    """The image smoothed and subsampled by 2, remembered."""
    return image.once("coarser", lambda: Pixels(np.ascontiguousarray(valid(image.values, gaussian(window))[::2, ::2])))


def at_scale(source: Pixels, fused: Pixels, window: Window) -> Carried:
    """Information at one scale, summed over the windows."""
    through, direct = _information(
        moments(source, window).variance.ravel(),
        moments(fused, window).variance.ravel(),
        covariance(source, fused, window).ravel(),
    )
    return Carried(through, direct)


@compiled()
def _information(source, fused, both):  # type: ignore[no-untyped-def]
    """Sums of log10(1 + g^2 s / (v + noise)) and log10(1 + s / noise) over variances s, v and covariances."""
    through = direct = 0.0
    for i in range(source.size):
        ref, dist = max(source[i], 0.0), max(fused[i], 0.0)
        gain = both[i] / (ref + TINY)
        rest = dist - gain * both[i]
        if ref < TINY:
            gain, rest, ref = 0.0, dist, 0.0
        if dist < TINY:
            gain, rest = 0.0, 0.0
        if gain < 0:
            gain, rest = 0.0, dist
        if gain > 0:
            through += log10(1 + gain * gain * ref / (max(rest, TINY) + NOISE))
        if ref > 0:
            direct += log10(1 + ref / NOISE)
    return through, direct
