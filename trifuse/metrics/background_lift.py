"""Grey that a method puts where the sources are black."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels
from trifuse.metrics.regions import head

CARD = MetricCard(
    name="background_lift",
    title="Background lift",
    summary="Mean grey levels by which the background exceeds the brightest source there.",
    formula="mean over the background of max(F - max_k S_k, 0)",
    direction="zero",
    range=(0, 255),
    kind="joint",
    reduce="joint",
    notes="Background: no source above 8 % of the brightest grey level of all; 0 where there is none.",
    pitfalls="Air inside the head counts as background.",
)


@metric(CARD, mask="whole")
def background_lift(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Mean lift over the background."""
    behind = ~head(sources)
    if not behind.any():
        return 0.0
    brightest = np.max([source.values[behind] for source in sources], axis=0)
    return float(np.maximum(fused.values[behind] - brightest, 0).mean())
