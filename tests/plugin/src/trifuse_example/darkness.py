"""A metric: the share of black pixels."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="darkness",
    title="Share of black pixels",
    summary="How much of the fused image is black.",
    formula="#{p : F(p) = 0} / #{p}",
    direction="low",
    range=(0, 1),
    kind="image",
    reduce="none",
)


@metric(CARD, mask="pixels")
def darkness(fused: Pixels) -> float:
    """Share of samples that are 0."""
    return float(np.mean(fused.values == 0))
