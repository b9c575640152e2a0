"""Edge intensity of the fused image."""

from __future__ import annotations

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.gradients import gradients, length
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="ei",
    title="Edge intensity (EI)",
    summary="Mean strength of the Sobel gradient of the fused image.",
    formula="EI = mean sqrt(gx^2 + gy^2), g = Sobel responses (not normalised), border pixels repeated",
    paper="Rajalingam and Priya, Int. J. Eng. Sci. Invent. 7, 2018 (as computed by VIFB)",
    direction="high",
    range=(0, None),
    kind="image",
    reduce="none",
    volumes="slices",
    min_size=2,
    pitfalls="Needs no source: noise raises it. The Sobel weights are not normalised, so values are 4 to 8 times AG.",
)


@metric(CARD)
def ei(fused: Pixels) -> float:
    """Mean length of the Sobel gradient."""
    return float(length(gradients(fused.values, "edge")).mean())
