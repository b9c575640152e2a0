"""Recall of each source's strongest edges; the source that keeps fewest counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.regions import head

CARD = MetricCard(
    name="edge_recall",
    title="Edges of every source kept (worst recall)",
    summary="Share of a source's strongest tenth of edges that the fused image shows at half strength; worst source.",
    formula="min_k share of the tenth of pixels with the largest g_k where g_F / SD(g_F) >= 0.5 g_k / SD(g_k)",
    direction="high",
    range=(0, 1),
    kind="joint",
    reduce="joint",
    min_size=2,
    variants={"head": "edges and spreads inside the head only (any source above 8 % of the brightest)"},
    notes=(
        "g: length of the gradient by central differences, in units of its own standard deviation, so that a stretch "
        "of contrast gains nothing. Per source: its own recall. A source without edges is kept."
    ),
    pitfalls=(
        "A copy of one source has recall 1 for that source and what the sources share for the others (about .6 for "
        "FLAIR of T1/Gad/FLAIR). Noise is edges too: smoothing lowers it. A source "
        "of far weaker edges than the others is held to its own scale, which a faithful union of all may miss."
    ),
)


@metric(CARD, mask="whole")
def edge_recall(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Recall in the whole image."""
    return _score(fused, sources, np.ones(fused.values.shape, bool))


@metric(CARD, "head", mask="whole")
def in_head(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Recall inside the head."""
    return _score(fused, sources, head(sources))


def _score(fused: Pixels, sources: Sequence[Pixels], area: Mask) -> Score:
    mine = _steepness(fused)[area]
    recalls = tuple(_recall(mine, _steepness(source)[area]) for source in sources)
    return Score(min(recalls), recalls)


def _recall(mine: Array, theirs: Array) -> float:
    limit = float(np.percentile(theirs, 90))
    strong = (theirs >= limit) & (theirs > 0)
    if not strong.any():
        return 1.0
    spread, own = float(theirs.std()), float(mine.std())
    if spread == 0 or own == 0:
        return float(spread == own)
    return float(np.mean(mine[strong] * spread >= 0.5 * theirs[strong] * own * (1 - 1e-9)))


def _steepness(image: Pixels) -> Array:
    def compute() -> Array:
        total = np.zeros_like(image.values)
        for axis, n in enumerate(image.values.shape):
            if n > 1:
                total += np.square(np.gradient(image.values, axis=axis))
        return np.sqrt(total)

    return image.once("steepness", compute)
