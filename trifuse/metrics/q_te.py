"""Mutual information by Tsallis entropy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.histograms import counts, entropy_of, joint_counts, probabilities
from trifuse.metrics.pixels import MetricWarning, Pixels, stretched

NAVA, CVEJIC = 0.43137, 1.85

CARD = MetricCard(
    name="q_te",
    title="Mutual information by Tsallis entropy (Q_TE)",
    summary="Generalised mutual information of sources and fused image, relative to what the sources hold.",
    formula=(
        "Q_TE = sum_k T(S_k,F) / (sum_k H(S_k)^q + sum_{i<j} T(S_i,S_j)), "
        "T(X,Y) = (1 - sum h^q / (p_X p_Y)^(q-1)) / (1-q), q = 0.43137, images stretched to 0..255"
    ),
    paper="Nava, Cristobal and Escalante-Ramirez, SPIE Newsroom, 2007; Cvejic et al., Electron. Lett. 42, 2006",
    direction="high",
    range=(0, None),
    kind="joint",
    reduce="weighted",
    variants={
        "liu": "joint cell (i, j) divided by the marginals in swapped order, a defect of Liu's and MATR's programs",
        "tsallis": "Cvejic's sum of T(S_k,F) with q = 1.85, swapped marginals (Liu's and MATR's case 2)",
    },
    notes="All images constant: 0 with a warning.",
    pitfalls="Published values carry the swapped marginals and are about twice the true ones.",
)


@metric(CARD, mask="pixels")
def q_te(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Ratio over all sources, with the right marginals; per source its share of the sum."""
    return ratio(fused, sources, swap=False)


@metric(CARD, "liu", mask="pixels")
def swapped(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """As `q_te`, with swapped marginals."""
    return ratio(fused, sources, swap=True)


@metric(CARD, "tsallis", mask="pixels")
def tsallis(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Sum of the divergences with q = 1.85 and swapped marginals."""
    terms = tuple(divergence(stretched(s), stretched(fused), CVEJIC, swap=True) for s in sources)
    return Score(sum(terms), terms)


def ratio(fused: Pixels, sources: Sequence[Pixels], *, swap: bool) -> Score:
    """Divergences of sources and fused image over the sources' entropies and mutual divergences."""
    y, xs = stretched(fused), [stretched(source) for source in sources]
    terms = [divergence(x, y, NAVA, swap) for x in xs]
    total = sum(entropy_of(x) ** NAVA for x in xs) + sum(divergence(a, b, NAVA, swap) for a, b in combinations(xs, 2))
    if total == 0:
        warnings.warn("q_te: all sources are constant; counted as 0", MetricWarning, stacklevel=2)
        return Score(0.0, (0.0,) * len(terms))
    return Score(sum(terms) / total, tuple(term / total for term in terms))


def divergence(x: Pixels, y: Pixels, q: float, swap: bool) -> float:
    """Tsallis divergence of the joint distribution from the product of the marginals."""
    joint = joint_counts(x, y)
    rows, columns = np.nonzero(joint)
    p, r = probabilities(counts(x)), probabilities(counts(y))
    product = r[rows] * p[columns] if swap else p[rows] * r[columns]
    h = probabilities(joint)[rows, columns]
    there = product > 0
    return float((1 - np.sum(h[there] ** q / product[there] ** (q - 1))) / (1 - q))
