"""Mean squared error."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="mse",
    title="Mean squared error (MSE)",
    summary="Mean squared difference of the fused image from the sources, on grey levels 0..255.",
    formula="MSE = mean_k mean (F - S_k)^2",
    direction="low",
    range=(0, 65025),
    kind="pair",
    reduce="mean",
    variants={"tang": "on images 0..1, that is divided by 65025 (Tang's MATLAB program)"},
    notes="Colour: over all three channels under colour='rgb'.",
    pitfalls="Against several different sources it cannot become 0, and the plain average of the sources is best.",
)


@metric(CARD, mask="pixels", rgb="samples")
def mse(source: Pixels, fused: Pixels) -> float:
    """Mean squared difference from one source."""
    return squared_error(source, fused)


@metric(CARD, "tang", mask="pixels", rgb="samples")
def tang(source: Pixels, fused: Pixels) -> float:
    """As `mse`, for images 0..1."""
    return squared_error(source, fused) / 255**2


def squared_error(source: Pixels, fused: Pixels) -> float:
    """Mean squared difference of two images, remembered for the metrics that follow."""

    def compute() -> float:
        difference = (fused.values - source.values).ravel()
        return float(np.sum(difference * difference)) / difference.size

    return fused.once(("squared error", source), compute)
