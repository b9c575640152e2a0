"""Normalised cross-correlation."""

from __future__ import annotations

import warnings

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import MetricWarning, Pixels

CARD = MetricCard(
    name="ncc",
    title="Normalised cross-correlation (NCC)",
    summary="Mean cosine of the fused image and the sources as vectors of grey levels, means not removed.",
    formula="NCC = mean_k sum F S_k / sqrt( sum F^2 sum S_k^2 )",
    direction="high",
    range=(0, 1),
    kind="pair",
    reduce="mean",
    notes="The centred form is `cc`. A black image makes its term 0, with a warning.",
    pitfalls="Liu's and MATR's function of this name is the nonlinear correlation inside Q_NCIE, not this.",
)


@metric(CARD, mask="pixels")
def ncc(source: Pixels, fused: Pixels) -> float:
    """Cosine of one source and the fused image."""
    x, y = source.values.ravel(), fused.values.ravel()
    scale = float(np.sqrt(np.sum(x * x) * np.sum(y * y)))
    if scale == 0:
        warnings.warn("ncc: a black image has no direction; counted as 0", MetricWarning, stacklevel=2)
        return 0.0
    return float(np.sum(x * y)) / scale
