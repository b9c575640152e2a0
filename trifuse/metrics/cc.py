"""Correlation of the fused image with its sources."""

from __future__ import annotations

import warnings

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, MetricWarning, Pixels

CARD = MetricCard(
    name="cc",
    title="Correlation coefficient (CC)",
    summary="Mean linear correlation of the fused image with the sources.",
    formula="CC = mean_k corr(S_k, F), Pearson",
    paper="Shah, Merchant and Desai, Signal Image Video Process. 7, 2013",
    direction="high",
    range=(-1, 1),
    kind="pair",
    reduce="mean",
    notes="A constant image correlates with nothing: its term is 0, with a warning.",
    pitfalls="A shared black background dominates it in medical slices; blind to gain and offset.",
)


@metric(CARD, mask="pixels")
def cc(source: Pixels, fused: Pixels) -> float:
    """Pearson correlation of one source and the fused image."""
    return pearson(source.values, fused.values, "cc")


def pearson(x: Array, y: Array, name: str) -> float:
    """Pearson correlation of two arrays; 0 with a warning if one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt(np.sum(x * x) * np.sum(y * y)))
    if scale < 1e-12 * x.size:
        warnings.warn(f"{name}: a constant image has no correlation; counted as 0", MetricWarning, stacklevel=2)
        return 0.0
    return float(np.sum(x * y)) / scale
