"""Cvejic's similarity metric Q_C."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.local import bare_similarity, common, unguarded_similarity
from trifuse.metrics.pixels import Array, Mask, MetricWarning, Pixels
from trifuse.metrics.windows import YANG, average, covariance, normalised

CARD = MetricCard(
    name="q_c",
    title="Cvejic's metric (Q_C)",
    summary="Local similarity to the sources, each weighted by its covariance with the fused image.",
    formula=(
        "Q_C = mean of sum_k w_k SSIM(S_k,F), w_k = max(s_kF, 0) / sum max(s_jF, 0); SSIM with 7 x 7 Gaussian windows, "
        "sigma 1.5, constants 2e-16"
    ),
    paper="Cvejic, Loza, Bull and Canagarajah, Int. J. Inf. Commun. Eng. 2, 2006",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=YANG.size,
    variants={
        "liu": "two sources, without guards: where the weight leaves 0..1 the quality is set to 0 or 1 (Liu's "
        "program); NaN, with a warning, on black background"
    },
    notes="Guard as for Q_Y; covariances below 0 count as 0, and equal weights where all are 0.",
    pitfalls="It prefers whichever source F resembles: copying one source scores well.",
)


@metric(CARD, mask="windows")
def q_c(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """Mean over the windows inside the image."""
    weights = normalised([np.maximum(common(source, fused, YANG), 0) for source in sources])
    maps = [bare_similarity(source, fused, YANG) for source in sources]
    return average(np.asarray(sum(w * m for w, m in zip(weights, maps, strict=True))), mask, YANG.size)


@metric(CARD, "liu", mask="windows")
def liu(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """As Liu's program does it; more than two sources are weighted by their share of the summed covariance."""
    shares = [covariance(source, fused, YANG) for source in sources]
    maps = [unguarded_similarity(source, fused, YANG) for source in sources]
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = [share / sum(shares) for share in shares]
    quality: Array = np.asarray(sum(w * m for w, m in zip(weights, maps, strict=True)))
    quality[weights[0] < 0] = 0
    quality[weights[0] > 1] = 1
    value = average(quality, mask, YANG.size)
    if np.isnan(value):
        warnings.warn("q_c@liu: flat windows, 0/0 as in the original; use q_c", MetricWarning, stacklevel=2)
    return value
