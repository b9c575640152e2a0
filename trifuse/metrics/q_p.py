"""Phase congruency metric Q_P."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.phase import phase_congruency
from trifuse.metrics.pixels import Array, Mask, MetricWarning, Pixels
from trifuse.metrics.windows import WANG, gaussian, same

THRESHOLD = 0.1
C = 1e-4

CARD = MetricCard(
    name="q_p",
    title="Phase congruency metric (Q_P)",
    summary="How well features found by phase congruency (edges, corners, lines) of the sources are kept.",
    formula=(
        "Q_P = P_p P_M P_m, P_x = sum over features of max over X in {S_1..S_N, strongest} of (s_XF + C)/(s_X s_F + C) "
        "/ number of features, for x = phase congruency and its largest and smallest moment; features: congruency > 0.1"
    ),
    paper="Zhao, Laganiere and Liu, Int. J. Innov. Comput. Inf. Control 3, 2007; Kovesi, Videre 1, 1999",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="joint",
    volumes="slices",
    min_size=11,
    notes=(
        "11 x 11 Gaussian windows, zeros beyond the border; 'strongest' takes each pixel from the source of highest "
        "congruency. Any number of sources. No feature in any source: 0 with a warning."
    ),
    pitfalls="Insensitive to brightness and contrast by design; a product of three, so small values are normal.",
)


@metric(CARD)
def q_p(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Product of the preservation of congruency and of its two moments."""
    maps = [phase_congruency(source.values) for source in sources]
    masks = [m.congruency > THRESHOLD for m in maps]
    features = np.any(masks, axis=0)
    count = int(features.sum())
    if count == 0:
        warnings.warn("q_p: no source has any feature; counted as 0", MetricWarning, stacklevel=2)
        return 0.0
    ours = phase_congruency(fused.values)
    picked = len(maps) - 1 - np.argmax([m.congruency for m in maps[::-1]], axis=0)
    value = 1.0
    for x in range(3):
        candidates = [m[x] for m in maps]
        chosen = np.choose(picked, candidates)
        value *= preserved([*candidates, chosen], [*masks, features], ours[x]) / count
    return value


def preserved(candidates: Sequence[Array], masks: Sequence[Mask], fused: Array) -> float:
    """Sum over pixels of the best local correlation of any masked candidate map with the fused map."""
    weights = gaussian(WANG)
    mean = same(fused, weights)
    variance = same(fused * fused, weights) - mean**2
    best = np.full(fused.shape, -np.inf)
    for candidate, mask in zip(candidates, masks, strict=True):
        x = candidate * mask
        mean_x = same(x, weights)
        spread = np.sqrt(np.abs((same(x * x, weights) - mean_x**2) * variance))
        correlation = (same(x * fused, weights) - mean_x * mean + C) / (spread + C)
        np.maximum(best, np.where(mask, correlation, 0), out=best)
    return float(best.sum())
