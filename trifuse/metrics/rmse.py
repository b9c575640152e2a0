"""Root mean squared error."""

from __future__ import annotations

from math import sqrt

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.mse import squared_error
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="rmse",
    title="Root mean squared error (RMSE)",
    summary="Root of the mean squared difference from each source, averaged over the sources.",
    formula="RMSE = mean_k sqrt( mean (F - S_k)^2 )",
    direction="low",
    range=(0, 255),
    kind="pair",
    reduce="mean",
    variants={
        "vifb": "divided once more by sqrt(HW) (VIFB, which gives it as RMSE and as MSE)",
        "tfs": "summed over the sources (inferred from the table of TFS-Diff)",
    },
    notes="Colour: over all three channels under colour='rgb'.",
    pitfalls="The mean of roots is not the root of the mean MSE.",
)


@metric(CARD, mask="pixels", rgb="samples")
def rmse(source: Pixels, fused: Pixels) -> float:
    """Root mean squared difference from one source."""
    return sqrt(squared_error(source, fused))


@metric(CARD, "vifb", rgb="channels")
def vifb(source: Pixels, fused: Pixels) -> float:
    """As `rmse`, divided by the root of the number of pixels."""
    return sqrt(squared_error(source, fused) / fused.values.size)


@metric(CARD, "tfs", reduce="sum", mask="pixels", rgb="samples")
def tfs(source: Pixels, fused: Pixels) -> float:
    """As `rmse`, to be summed."""
    return sqrt(squared_error(source, fused))
