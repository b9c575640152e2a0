"""Nonlinear correlation information entropy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.histograms import information
from trifuse.metrics.pixels import Pixels, stretched

BITS = 8

CARD = MetricCard(
    name="q_ncie",
    title="Nonlinear correlation information entropy (Q_NCIE)",
    summary="How strongly sources and fused image depend on each other as a group, by any relation.",
    formula=(
        "Q_NCIE = 1 + sum_i (l_i / K) log_256(l_i / K), l = eigenvalues of R, R_ij = I(X_i; X_j) / 8, R_ii = 1, "
        "K = N + 1 images stretched to 0..255"
    ),
    paper="Wang, Shen and Jin, in Image Fusion: Algorithms and Applications, ch. 19, 2008",
    direction="high",
    range=(0, 1),
    kind="joint",
    reduce="joint",
    notes="Eigenvalues that are not positive are left out.",
    pitfalls="Values crowd near 0.80 for two sources: differences are in the third digit and later.",
)


@metric(CARD, mask="pixels")
def q_ncie(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """1 minus the entropy of the eigenvalues of the nonlinear correlation matrix."""
    images = [stretched(image) for image in (*sources, fused)]
    size = len(images)
    matrix = np.eye(size)
    for i in range(size):
        for j in range(i + 1, size):
            matrix[i, j] = matrix[j, i] = information(images[i], images[j]) / BITS
    share = np.linalg.eigvalsh(matrix) / size
    share = share[share > 0]
    return float(1 + np.sum(share * np.log2(share)) / BITS)
