"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="mae",
    title="Mean absolute error (MAE)",
    summary="Mean absolute difference of the fused image from the sources, in grey levels.",
    formula="MAE = mean_k mean |F - S_k|",
    direction="low",
    range=(0, 255),
    kind="pair",
    reduce="mean",
    variants={"tfs": "summed over the sources (inferred from the table of TFS-Diff)"},
    notes="Colour: over all three channels under colour='rgb'.",
    pitfalls="Against several different sources it cannot become 0; their median is best.",
)


@metric(CARD, mask="pixels", rgb="samples")
def mae(source: Pixels, fused: Pixels) -> float:
    """Mean absolute difference from one source."""
    return float(np.abs(fused.values - source.values).mean())


@metric(CARD, "tfs", reduce="sum", mask="pixels", rgb="samples")
def tfs(source: Pixels, fused: Pixels) -> float:
    """As `mae`, to be summed."""
    return float(np.abs(fused.values - source.values).mean())
