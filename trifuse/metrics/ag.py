"""Average gradient of the fused image."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="ag",
    title="Average gradient (AG)",
    summary="Mean length of the grey-level gradient: sharpness and texture.",
    formula="AG = mean sqrt( (gx^2 + gy^2) / 2 ), g = central differences, one-sided at the border",
    paper="Cui et al., Opt. Commun. 341, 2015",
    direction="high",
    range=(0, None),
    kind="image",
    reduce="none",
    volumes="generalised",
    min_size=2,
    variants={"tang": "the same sum divided by (H-1)(W-1) instead of HW (Tang's and VIFB's MATLAB programs)"},
    notes="Volumes: sqrt((gx^2 + gy^2 + gz^2) / 3).",
    pitfalls="Needs no source: noise raises it. Divisors differ between programs by up to 1 percent at 256 pixels.",
)


@metric(CARD)
def ag(fused: Pixels) -> float:
    """Mean over all pixels of the root mean square of the gradient's components."""
    x = fused.values
    return float(np.mean(np.sqrt(sum(g * g for g in np.gradient(x)) / x.ndim)))


@metric(CARD, "tang")
def tang(fused: Pixels) -> float:
    """As `ag`, divided by one pixel less per side."""
    sides = np.array(fused.values.shape)
    return float(ag.measure(fused) * np.prod(sides) / np.prod(sides - 1))
