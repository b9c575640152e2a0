"""Standard deviation of the fused image."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="sd",
    title="Standard deviation (SD)",
    summary="Spread of the fused grey levels: global contrast.",
    formula="SD = sqrt( mean (F - mean F)^2 )",
    direction="high",
    range=(0, 127.5),
    kind="image",
    reduce="none",
    notes="Population form (divided by the number of pixels). A constant image has 0.",
    pitfalls=(
        "Needs no source: noise and overexposure raise it. Values of 8 to 10 in some infrared-visible tables come "
        "from 8-bit arithmetic in which negative deviations became 0 and squares stopped at 255."
    ),
)


@metric(CARD, mask="pixels")
def sd(fused: Pixels) -> float:
    """Population standard deviation of the grey levels."""
    return float(np.sqrt(np.mean((fused.values - fused.values.mean()) ** 2)))
