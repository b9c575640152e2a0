"""Spatial frequency of the fused image."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="sf",
    title="Spatial frequency (SF)",
    summary="Root of the mean squared differences between neighbouring pixels: overall activity.",
    formula="SF = sqrt( mean (dF/dx)^2 + mean (dF/dy)^2 ), d = difference of neighbours",
    paper="Eskicioglu and Fisher, IEEE Trans. Commun. 43, 1995",
    direction="high",
    range=(0, None),
    kind="image",
    reduce="none",
    volumes="generalised",
    min_size=2,
    variants={"vifb": "both sums are divided by the number of pixels instead of the number of differences (VIFB)"},
    notes="Each mean runs over the differences along its own axis. Volumes add the third axis under the root.",
    pitfalls="Needs no source: noise raises it. Some tables give it on 0..1 images, that is divided by 255.",
)


@metric(CARD)
def sf(fused: Pixels) -> float:
    """Root of the summed mean squares of the differences along each axis."""
    x = fused.values
    return float(np.sqrt(sum(np.mean(np.diff(x, axis=axis) ** 2) for axis in range(x.ndim))))


@metric(CARD, "vifb")
def vifb(fused: Pixels) -> float:
    """As `sf`, the sums divided by the number of pixels."""
    x = fused.values
    return float(np.sqrt(sum(np.sum(np.diff(x, axis=axis) ** 2) for axis in range(x.ndim)) / x.size))
