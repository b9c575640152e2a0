"""Perceptual quality Q_CB of Chen and Blum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.contrast import sensed
from trifuse.metrics.pixels import Array, Pixels, stretched
from trifuse.metrics.windows import normalised, same

PIXELS_PER_CYCLE = 30.0
REACH = 15

CARD = MetricCard(
    name="q_cb",
    title="Chen-Blum metric (Q_CB)",
    summary="How well local contrast, as the eye sees it, is kept, weighted by the contrast of the sources.",
    formula=(
        "Q_CB = mean sum_k l_k min(c_k, c_F) / max(c_k, c_F), l_k = c_k^2 / sum c^2, c = b^3 / (b^2 + 1e-4), "
        "b = |G_2 * x / G_4 * x - 1| of images filtered by exp(-(r/15.387)^2) - 0.7622 exp(-(r/1.3456)^2)"
    ),
    paper="Chen and Blum, Image Vis. Comput. 27, 2009",
    direction="high",
    range=(0, 1),
    kind="joint",
    reduce="weighted",
    volumes="slices",
    min_size=2,
    notes="Where a contrast is 0/0 the quotient counts as 1 with equal weights (the original gives NaN).",
    pitfalls="On black background the contrast is a ratio of vanishing numbers: about three digits are meaningful.",
)


@metric(CARD)
def q_cb(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Mean over pixels of the weighted preservation of contrast, and each source's unweighted mean."""
    y = masked_contrast(fused)
    contrasts = [masked_contrast(source) for source in sources]
    share = normalised([contrast**2 for contrast in contrasts])
    total = np.zeros_like(y)
    per_source = []
    for contrast, weight in zip(contrasts, share, strict=True):
        larger = np.maximum(contrast, y)
        kept = np.divide(np.minimum(contrast, y), larger, out=np.ones_like(y), where=larger > 0)
        total += weight * kept
        per_source.append(float(kept.mean()))
    return Score(float(total.mean()), tuple(per_source))


def masked_contrast(image: Pixels) -> Array:
    """Peli's local band-limited contrast after the contrast sensitivity filter, bent by the masking curve."""
    seen = sensed(stretched(image).values, difference_of_gaussians, PIXELS_PER_CYCLE)
    surround = same(seen, sampled_gaussian(4))
    centre = same(seen, sampled_gaussian(2))
    ratio = np.divide(centre, surround, out=np.ones_like(centre), where=surround != 0)
    contrast = np.abs(ratio - 1)
    return np.asarray(contrast**3 / (contrast**2 + 1e-4))


def difference_of_gaussians(radius: Array) -> Array:
    """Contrast sensitivity as a difference of Gaussians."""
    return np.asarray(np.exp(-((radius / 15.3870) ** 2)) - 0.7622 * np.exp(-((radius / 1.3456) ** 2)))


def sampled_gaussian(sigma: float) -> Array:
    """Density of a Gaussian on -15..15, not normalised again."""
    x = np.arange(-REACH, REACH + 1)
    return np.asarray(np.exp(-(x**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi) / sigma)
