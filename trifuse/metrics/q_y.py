"""Yang's similarity metric Q_Y."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.local import bare_similarity, salience, unguarded_similarity
from trifuse.metrics.pixels import Array, Mask, MetricWarning, Pixels
from trifuse.metrics.windows import YANG, average, moments

ALIKE = 0.75

CARD = MetricCard(
    name="q_y",
    title="Yang's metric (Q_Y)",
    summary="Local similarity to all sources where they agree, and to the nearest of them where they do not.",
    formula=(
        "Q_Y = mean of sum_k l_k SSIM(S_k,F) where SSIM(S_i,S_j) >= 0.75, of max_k SSIM(S_k,F) elsewhere; l_k = "
        "s_k^2 / sum s^2; SSIM with 7 x 7 Gaussian windows, sigma 1.5, constants 2e-16"
    ),
    paper="Yang, Zhang, Wang and Liu, Inf. Fusion 9, 2008",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=YANG.size,
    variants={"liu": "without guards: NaN, with a warning, wherever both sources are flat (black background)"},
    notes=(
        "Guard: windows whose variance is below 1e-9 of their mean square are flat, with variance and covariance 0, "
        "and sources that are all flat share the weight. More than two sources: they agree where the smallest pairwise "
        "similarity reaches 0.75."
    ),
    pitfalls="Background counts in full. Values of unguarded programs on flat areas are rounding noise.",
)


@metric(CARD, mask="windows")
def q_y(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """Mean over the windows inside the image."""
    to_fused = [bare_similarity(source, fused, YANG) for source in sources]
    weighted = np.asarray(sum(w * s for w, s in zip(salience(sources, YANG), to_fused, strict=True)))
    between = [bare_similarity(a, b, YANG) for a, b in combinations(sources, 2)]
    return average(best_or_weighted(between, weighted, to_fused), mask, YANG.size)


@metric(CARD, "liu", mask="windows")
def liu(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """As `q_y`, unguarded; NaN with a warning where the weights are 0/0."""
    to_fused = [unguarded_similarity(source, fused, YANG) for source in sources]
    variances = [moments(source, YANG).variance for source in sources]
    with np.errstate(invalid="ignore", divide="ignore"):
        weighted = np.asarray(sum(v / sum(variances) * s for v, s in zip(variances, to_fused, strict=True)))
    between = [unguarded_similarity(a, b, YANG) for a, b in combinations(sources, 2)]
    value = average(best_or_weighted(between, weighted, to_fused), mask, YANG.size)
    if np.isnan(value):
        warnings.warn("q_y@liu: flat windows, 0/0 as in the original; use q_y", MetricWarning, stacklevel=2)
    return value


def best_or_weighted(between: Sequence[Array], weighted: Array, to_fused: Sequence[Array]) -> Array:
    """The weighted similarity where the sources are alike, the best one elsewhere."""
    if not between:
        return weighted
    alike = np.minimum.reduce(list(between)) >= ALIKE
    return np.where(alike, weighted, np.maximum.reduce(list(to_fused)))
