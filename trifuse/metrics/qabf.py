"""Edge preservation Qabf (Q_G) of Xydeas and Petrovic."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.cc import pearson
from trifuse.metrics.gradients import Edges, edges, gradient, gradients, strength
from trifuse.metrics.pixels import Array, MetricWarning, Pixels

CARD = MetricCard(
    name="qabf",
    title="Edge-based similarity Qabf (Q_G)",
    summary="How well strength and orientation of the sources' edges are kept, weighted by their strength.",
    formula=(
        "Qabf = sum_k sum Q_k g_k / sum_k sum g_k, Q_k = 0.9994/(1+e^(-15(G-0.5))) * 0.9879/(1+e^(-22(A-0.8))), "
        "G = min(g_k,g_F)/max(g_k,g_F), A = 1 - |a_k - a_F|/(pi/2), g and a = strength and angle of Sobel gradients"
    ),
    paper="Xydeas and Petrovic, Electron. Lett. 36, 2000",
    direction="high",
    range=(0, 0.9874),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=2,
    variants={
        "corrected": "G = 1 where both strengths are equal, and A = angle between undirected gradient lines",
        "matr": "1e-5 added to vanishing gradients, weights included (MATR's Q_G); differs in the 4th digit",
        "liu": "other constants (1, -10, 0.5; 1, -20, 0.75), undirected angles, mean of local ratios (Liu's Q_G)",
        "palm": "not Qabf at all: sum of correlations of horizontal Sobel responses in wrapping 8-bit arithmetic, "
        "-N..N, printed as 'QAB/F' by DDFM-PALM",
    },
    notes=(
        "The default is the form behind the published numbers, with its two defects: G = g_F where strengths are "
        "equal, and angles near +90 and -90 degrees count as opposite. Volumes use the corrected form: 3-D Sobel "
        "gradients, A = 1 - theta/(pi/2), theta the angle between gradient lines. No gradient anywhere: 0."
    ),
    pitfalls="Identical images reach 0.987 at most. Flat regions carry no weight, and noise in F is punished little.",
)


class Response(NamedTuple):
    """Gain, slope and offset of a logistic perception curve gain / (1 + exp(slope (x - offset)))."""

    gain: float
    slope: float
    offset: float


STRENGTH, ANGLE = Response(0.9994, -15, 0.5), Response(0.9879, -22, 0.8)
LIU_STRENGTH, LIU_ANGLE = Response(1, -10, 0.5), Response(1, -20, 0.75)


@metric(CARD)
def qabf(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Weighted mean over pixels and sources; volumes by the corrected form."""
    if fused.dims == 3:
        return undirected(fused, sources)
    f = edges(fused)
    kept, weights = [], []
    for source in sources:
        s = edges(source)
        ratio = ratio_of(s.strength, f.strength)
        np.copyto(ratio, f.strength, where=s.strength == f.strength)
        agreement = 1 - np.abs(s.angle - f.angle) / (np.pi / 2)
        kept.append(preserved(ratio, agreement, STRENGTH, ANGLE))
        weights.append(s.strength)
    return weighted(kept, weights)


@metric(CARD, "corrected")
def corrected(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """As `qabf`, both defects mended."""
    if fused.dims == 3:
        return undirected(fused, sources)
    f = edges(fused)
    kept = []
    for source in sources:
        s = edges(source)
        agreement = line_agreement(s.angle, f.angle)
        kept.append(preserved(ratio_of(s.strength, f.strength), agreement, STRENGTH, ANGLE))
    return weighted(kept, [strength(source) for source in sources])


@metric(CARD, "matr", sliced=True)
def matr(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """MATR's Q_G, slice-wise formula without guards but the added 1e-5."""
    kept, weights = [], []
    for s, ratio, f in lifted(fused, sources):
        agreement = 1 - np.abs(s.angle - f.angle) * 2 / np.pi
        kept.append(preserved(ratio, agreement, STRENGTH, ANGLE))
        weights.append(s.strength)
    return weighted(kept, weights)


@metric(CARD, "liu", sliced=True)
def liu(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Liu's Q_G: the ratio of weighted sums is taken pixel by pixel and then averaged."""
    above, below = np.zeros_like(fused.values), np.zeros_like(fused.values)
    per_source = []
    for s, ratio, f in lifted(fused, sources):
        q = preserved(ratio, line_agreement(s.angle, f.angle), LIU_STRENGTH, LIU_ANGLE)
        above += q * s.strength
        below += s.strength
        per_source.append(float(q.mean()))
    return Score(float((above / below).mean()), tuple(per_source))


@metric(CARD, "palm", sliced=True)
def palm(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Sum of the correlations of horizontal Sobel responses modulo 256 ('QAB/F' of DDFM-PALM)."""
    f = wrapped_sobel(fused)
    values = tuple(pearson(wrapped_sobel(source), f, "qabf@palm") for source in sources)
    return Score(sum(values), values)


def undirected(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """The corrected form in any dimension: theta = arccos(|g_S . g_F| / (|g_S| |g_F|))."""
    kept = []
    for source in sources:
        both = strength(source) * strength(fused)
        parallel = np.abs(sum(a * b for a, b in zip(gradient(source), gradient(fused), strict=True)))
        cosine = np.divide(parallel, both, out=np.ones_like(both), where=both > 0)
        agreement = 1 - np.arccos(np.minimum(cosine, 1)) / (np.pi / 2)
        kept.append(preserved(ratio_of(strength(source), strength(fused)), agreement, STRENGTH, ANGLE))
    return weighted(kept, [strength(source) for source in sources])


def ratio_of(a: Array, b: Array) -> Array:
    """The smaller over the larger of two strengths, 1 where they are equal."""
    return np.divide(np.minimum(a, b), np.maximum(a, b), out=np.ones_like(a), where=a != b)


def line_agreement(a: Array, b: Array) -> Array:
    """1 for parallel and 0 for perpendicular gradient lines, from their angles."""
    return np.asarray(np.abs(np.abs(a - b) - np.pi / 2) * 2 / np.pi)


def preserved(ratio: Array, agreement: Array, strengths: Response, angles: Response) -> Array:
    """Perceived preservation of edges: the product of the two logistic curves."""
    bent = 1 + np.exp(strengths.slope * (ratio - strengths.offset))
    bent *= 1 + np.exp(angles.slope * (agreement - angles.offset))
    return np.asarray(strengths.gain * angles.gain / bent)


def weighted(kept: Sequence[Array], weights: Sequence[Array]) -> Score:
    """sum Q w / sum w over pixels and sources, and for each source alone; 0 where there is no weight."""
    above = [float(np.sum(q * w)) for q, w in zip(kept, weights, strict=True)]
    below = [float(w.sum()) for w in weights]
    if sum(below) == 0:
        warnings.warn("qabf: no source has any gradient; counted as 0", MetricWarning, stacklevel=2)
        return Score(0.0, (0.0,) * len(below))
    return Score(sum(above) / sum(below), tuple(a / b if b else 0.0 for a, b in zip(above, below, strict=True)))


def lifted(fused: Pixels, sources: Sequence[Pixels]) -> list[tuple[Edges, Array, Edges]]:
    """Edges of each source, ratio of strengths, and edges of the fused image, with 1e-5 in place of zeros.

    The fused strength is lifted while the first source is compared, so that later sources see it lifted from the
    start: an order effect of the original that is kept.
    """
    f = raised_edges(fused)
    rows = []
    for source in sources:
        s = raised_edges(source)
        larger = s.strength > f.strength
        s = s._replace(strength=raised(s.strength))
        above = f.strength / s.strength
        f = f._replace(strength=raised(f.strength))
        rows.append((s, np.where(larger, above, s.strength / f.strength), f))
    return rows


def raised(x: Array) -> Array:
    """1e-5 in place of 0."""
    return np.where(x == 0, 1e-5, x)


def raised_edges(image: Pixels) -> Edges:
    """Strength and angle of the in-plane gradient, horizontal differences of 0 raised to 1e-5."""
    gy, gx = gradient(image)[:2]
    return Edges(strength(image), np.arctan(gy / raised(gx)))


def wrapped_sobel(image: Pixels) -> Array:
    """Horizontal Sobel response modulo 256, border repeated, of whole grey levels."""
    return np.mod(gradients(np.rint(image.values), "symmetric")[-1], 256)
