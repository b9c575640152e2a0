"""Piella's weighted fusion quality index Q_W."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.local import salience, spread
from trifuse.metrics.pixels import Array, Pixels
from trifuse.metrics.q_s import quality, unguarded
from trifuse.metrics.windows import WANG

EMPTY = 0.5
"""Variance given to windows where all sources are flat."""

CARD = MetricCard(
    name="q_w",
    title="Piella's weighted fusion quality index (Q_W)",
    summary="As Q_S, with windows weighted by the highest local variance among the sources.",
    formula="Q_W = sum over windows of c sum_k l_k SSIM(S_k, F), c = max_k s_k^2 / sum over windows of max_k s_k^2",
    paper="Piella and Heijmans, Proc. ICIP, 2003",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=11,
    variants={"liu": "without the guard of Q_S"},
    notes="Guard as for Q_S. A window where every source is flat has the variance 0.5, as in Liu's program.",
    pitfalls="Flat regions, the background among them, carry almost no weight; a few strong edges decide.",
)


@metric(CARD)
def q_w(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Weighted mean over the windows inside the image."""
    strongest = np.max([spread(source, WANG) for source in sources], axis=0)
    weights = np.where(strongest == 0, EMPTY, strongest)
    return weighted(quality(fused, sources, salience(sources, WANG)), weights)


@metric(CARD, "liu")
def liu(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """As `q_w`, unguarded."""
    variances = unguarded(sources)
    return weighted(quality(fused, sources, variances / variances.sum(axis=0)), variances.max(axis=0))


def weighted(values: Array, weights: Array) -> float:
    """Weighted mean of a map."""
    return float(np.sum(values * weights) / weights.sum())
