"""Entropy of the fused image."""

from __future__ import annotations

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.histograms import entropy_of
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="en",
    title="Entropy (EN)",
    summary="Information in the histogram of the fused image, in bits per pixel.",
    formula="EN = -sum_v p(v) log2 p(v), p = histogram of 256 grey levels",
    paper="Roberts, van Aardt and Ahmed, J. Appl. Remote Sens. 2, 2008",
    direction="high",
    range=(0, 8),
    kind="image",
    reduce="none",
    notes="Grey levels are rounded to whole numbers. A constant image has 0.",
    pitfalls="Needs no source: noise raises it. A black background lowers it, so crops and whole slices differ.",
)


@metric(CARD, mask="pixels")
def en(fused: Pixels) -> float:
    """Entropy of the grey levels, in bits."""
    return entropy_of(fused)
