"""Perceptual quality Q_CV of Chen and Varshney."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.contrast import sensed
from trifuse.metrics.gradients import strength
from trifuse.metrics.pixels import Array, MetricWarning, Pixels, stretched
from trifuse.metrics.windows import block_sums

BLOCK = 16
POWER = 5
PIXELS_PER_CYCLE = 8.0

CARD = MetricCard(
    name="q_cv",
    title="Chen-Varshney metric (Q_CV)",
    summary="Visible difference of the fused image from the sources, weighted by the sources' local edges.",
    formula=(
        "Q_CV = sum_k sum l_k D_k / sum_k sum l_k over 16 x 16 blocks, l_k = sum of g_k^5 (Sobel), D_k = mean of the "
        "squared difference filtered by 2.6 (0.0192 + 0.144 r) exp(-(0.144 r)^1.1), images stretched to 0..255"
    ),
    paper="Chen and Varshney, Inf. Fusion 8, 2007",
    direction="low",
    range=(0, None),
    kind="joint",
    reduce="weighted",
    volumes="slices",
    min_size=2,
    notes="Blocks at the border are filled up with zeros and count 256 samples. No edges at all: 0 with a warning.",
    pitfalls="Lower is better, unlike its neighbours in the toolbox. The fifth power lets a few blocks decide.",
)


@metric(CARD)
def q_cv(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Weighted mean over blocks and sources, and over the blocks of each source."""
    y = stretched(fused).values
    above, below = [], []
    for source in sources:
        x = stretched(source)
        weight = block_sums(strength(x) ** POWER, BLOCK)
        distance = block_sums(sensed(x.values - y, mannos_sakrison, PIXELS_PER_CYCLE) ** 2, BLOCK) / BLOCK**2
        above.append(float(np.sum(weight * distance)))
        below.append(float(weight.sum()))
    if sum(below) == 0:
        warnings.warn("q_cv: no source has any edge; counted as 0", MetricWarning, stacklevel=2)
        return Score(0.0, (0.0,) * len(below))
    return Score(sum(above) / sum(below), tuple(a / b if b else 0.0 for a, b in zip(above, below, strict=True)))


def mannos_sakrison(radius: Array) -> Array:
    """Contrast sensitivity of Mannos and Sakrison."""
    return np.asarray(2.6 * (0.0192 + 0.144 * radius) * np.exp(-((0.144 * radius) ** 1.1)))
