"""Artefacts of fusion, Nabf."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.gradients import Edges, gradients, length
from trifuse.metrics.pixels import Array, Pixels

EDGE, FAINT = 2.0, 0.001

CARD = MetricCard(
    name="nabf",
    title="Fusion artefacts (Nabf)",
    summary="Share of edges that fusion added: gradients stronger in the fused image than in every source.",
    formula=(
        "Nabf = sum AM sum_k (1 - Q_k) w_k / sum_k sum w_k, AM = 1 where g_F > g_k for all k, w_k = g_k^1.5 where "
        "g_k >= 2 else 0.001, Q_k = sqrt( 0.9999/(1+e^(-19(r-0.5))) * 0.9995/(1+e^(-22(o-0.5))) ), r = min/max of "
        "g_k and g_F, o = agreement of gradient lines; Sobel / 8"
    ),
    paper="Petrovic and Xydeas, IEEE Trans. Image Process. 14, 2005; Kumar, Signal Image Video Process. 7, 2013",
    direction="low",
    range=(0, 1),
    kind="joint",
    reduce="weighted",
    volumes="slices",
    min_size=2,
    notes="Border mirrored without repeating the edge. r = 0 where one of the strengths is 0.",
    pitfalls="Weights follow the sources' gradients, so artefacts on flat background count almost nothing.",
)


@metric(CARD)
def nabf(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Weighted share of added gradients."""
    f = kumar_edges(fused)
    lost = np.zeros_like(fused.values)
    total = np.zeros_like(fused.values)
    added = np.ones(fused.values.shape, dtype=bool)
    for source in sources:
        s = kumar_edges(source)
        weight = np.where(s.strength >= EDGE, s.strength**1.5, FAINT)
        lost += (1 - kept(s, f)) * weight
        total += weight
        added &= f.strength > s.strength
    return float(lost[added].sum() / total.sum())


def kept(s: Edges, f: Edges) -> Array:
    """Perceptual preservation of strength and orientation of one source's gradients."""
    larger = np.maximum(s.strength, f.strength)
    ratio = np.divide(np.minimum(s.strength, f.strength), larger, out=np.zeros_like(larger), where=larger > 0)
    agreement = np.abs(np.abs(s.angle - f.angle) - np.pi / 2) * 2 / np.pi
    bent = (1 + np.exp(-19 * (ratio - 0.5))) * (1 + np.exp(-22 * (agreement - 0.5)))
    return np.asarray(np.sqrt(0.9999 * 0.9995 / bent))


def kumar_edges(image: Pixels) -> Edges:
    """Strength and angle of Sobel gradients divided by 8, border mirrored; angle 0 where there is no gradient."""
    down, right = (g / 8 for g in gradients(image.values, "reflect"))
    return Edges(length((down, right)), _angle(right, down))


def _angle(above: Array, below: Array) -> Array:
    """atan(above / below), +-pi/2 where only `below` is 0, 0 where both are."""
    level = below == 0
    angle = np.arctan(above / np.where(level, 1, below))
    angle[level] = np.sign(above[level]) * np.pi / 2
    return np.asarray(angle)
