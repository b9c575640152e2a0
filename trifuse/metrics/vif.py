"""Visual information fidelity in the pixel domain."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

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
    ref = np.maximum(moments(source, window).variance, 0)
    dist = np.maximum(moments(fused, window).variance, 0)
    cov = covariance(source, fused, window)
    gain = cov / (ref + TINY)
    rest = dist - gain * cov
    flat = ref < TINY
    gain[flat] = 0
    rest[flat] = dist[flat]
    ref[flat] = 0
    lost = dist < TINY
    gain[lost] = 0
    rest[lost] = 0
    inverted = gain < 0
    rest[inverted] = dist[inverted]
    gain[inverted] = 0
    np.maximum(rest, TINY, out=rest)
    through = np.log10(1 + gain**2 * ref / (rest + NOISE)).sum()
    return Carried(float(through), float(np.log10(1 + ref / NOISE).sum()))
