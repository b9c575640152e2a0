"""Cross entropy of sources and fused image."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.histograms import counts, probabilities
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="ce",
    title="Cross entropy (CE)",
    summary="How far the histogram of the fused image is from the histograms of the sources, in bits.",
    formula="CE = mean_k sum_v p_S(v) log2( p_S(v) / p_F(v) ) over grey levels v present in both",
    paper="Bulanon, Burks and Alchanatis, Biosyst. Eng. 103, 2009 (as computed by VIFB)",
    direction="low",
    range=(None, None),
    kind="pair",
    reduce="mean",
    notes="Levels absent from one of the images are left out, so that it is no true divergence and can be negative.",
    pitfalls="Compares histograms only: where the grey levels lie in the image does not matter.",
)


@metric(CARD, mask="pixels")
def ce(source: Pixels, fused: Pixels) -> float:
    """Relative entropy of the source's histogram to the fused image's, over levels that both have."""
    p, q = probabilities(counts(source)), probabilities(counts(fused))
    both = (p > 0) & (q > 0)
    return float(np.sum(p[both] * np.log2(p[both] / q[both])))
