"""Piella's fusion quality index Q_S."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.local import salience
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.ssim import C1, C2, ssim_map
from trifuse.metrics.windows import WANG, average, moments

CARD = MetricCard(
    name="q_s",
    title="Piella's fusion quality index (Q_S)",
    summary="Local SSIM to the sources, each weighted by its local variance.",
    formula="Q_S = mean over windows of sum_k l_k SSIM(S_k, F), l_k = s_k^2 / sum_j s_j^2, windows as for SSIM",
    paper="Piella and Heijmans, Proc. ICIP, 2003",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=WANG.size,
    variants={"liu": "without the guard: rounding noise decides between sources on flat areas that are not black"},
    notes=(
        "Guard: a variance below 1e-9 of the mean square is 0. Where all sources are flat they share the weight. "
        "Volumes: 11 x 11 x 11 windows."
    ),
    pitfalls="Background counts in full; `q_w` weights windows by their variance instead.",
)


@metric(CARD, mask="windows")
def q_s(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """Mean over the windows inside the image."""
    return average(quality(fused, sources, salience(sources, WANG)), mask, WANG.size)


@metric(CARD, "liu", mask="windows")
def liu(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """As `q_s`, unguarded."""
    variances = unguarded(sources)
    return average(quality(fused, sources, variances / variances.sum(axis=0)), mask, WANG.size)


def quality(fused: Pixels, sources: Sequence[Pixels], shares: Array) -> Array:
    """SSIM to the sources, weighted by their shares `(N, ...)`."""
    maps = [ssim_map(source, fused, WANG, C1, C2) for source in sources]
    return np.asarray(sum(share * m for share, m in zip(shares, maps, strict=True)))


def unguarded(sources: Sequence[Pixels]) -> Array:
    """Local variances `(N, ...)` as they come, 0.5 for each source where they sum to exactly 0."""
    variances = np.stack([moments(source, WANG).variance for source in sources])
    return np.asarray(variances + 0.5 * (variances.sum(axis=0) == 0))
