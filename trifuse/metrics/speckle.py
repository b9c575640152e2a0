"""Isolated extremes that no source has."""

from __future__ import annotations

from collections.abc import Sequence

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels
from trifuse.metrics.regions import head, specks

CARD = MetricCard(
    name="speckle",
    title="Speckle (dots that no source has)",
    summary="Number of isolated bright or dark dots that no source has within a pixel.",
    formula="count of pixels 8 grey levels beyond all neighbours, with no extreme of that sign in a source within 1",
    direction="zero",
    range=(0, None),
    kind="joint",
    reduce="joint",
    variants={"head": "dots inside the head only"},
    notes="8 neighbours in pictures, 26 in volumes; of a source every strict extreme counts, however small.",
    pitfalls="Noisy sources have extremes nearly everywhere, beside which a dot of the method is not told apart.",
)


@metric(CARD, mask="whole")
def speckle(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Dots in the whole image."""
    return float(specks(fused, sources).sum())


@metric(CARD, "head", mask="whole")
def in_head(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Dots inside the head."""
    return float((specks(fused, sources) & head(sources)).sum())
