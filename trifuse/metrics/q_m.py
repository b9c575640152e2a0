"""Multi-scale edge preservation in the Haar wavelet domain."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, MetricWarning, Pixels

EXPONENTS = (2 / 3, 1 / 3)

CARD = MetricCard(
    name="q_m",
    title="Multi-scale metric of Wang and Liu (Q_M)",
    summary="How closely the Haar wavelet details of the sources are kept at two scales, weighted by their energy.",
    formula=(
        "Q_M = Q_1^(2/3) Q_2^(1/3), Q_l = sum_k sum E_k w_k / sum_k sum w_k, E_k = sum over bands of e^(-|D_k - D_F|), "
        "w_k = sum over bands of D_k^2, D = horizontal, vertical, diagonal Haar details of level l"
    ),
    paper="Wang and Liu, Proc. ICSP, 2008",
    direction="high",
    range=(0, 3),
    kind="joint",
    reduce="weighted",
    volumes="slices",
    min_size=4,
    notes="The three bands are added, not averaged, as in Liu's program: equal images have 3. No detail: 0.",
    pitfalls="The exponential works on grey levels: a difference of a few levels already counts as loss.",
)


@metric(CARD)
def q_m(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Product of the two levels' preservation."""
    ours, theirs = fused.values, [source.values for source in sources]
    value = 1.0
    for exponent in EXPONENTS:
        ours, details = haar(ours)
        above = below = 0.0
        split = [haar(x) for x in theirs]
        theirs = [smooth for smooth, _ in split]
        for _, bands in split:
            weight = sum(band**2 for band in bands)
            preserved = sum(np.exp(-np.abs(a - b)) for a, b in zip(bands, details, strict=True))
            above += float(np.sum(preserved * weight))
            below += float(np.sum(weight))
        if below == 0:
            warnings.warn("q_m: the sources hold no detail at a scale; counted as 0", MetricWarning, stacklevel=2)
            return 0.0
        value *= (above / below) ** exponent
    return value


def haar(x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """One level of the orthonormal Haar transform: approximation, and the three bands of detail."""
    height, width = (n - n % 2 for n in x.shape)
    a, b = x[:height:2, :width:2], x[:height:2, 1:width:2]
    c, d = x[1:height:2, :width:2], x[1:height:2, 1:width:2]
    return (a + b + c + d) / 2, ((a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2)
