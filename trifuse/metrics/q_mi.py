"""Normalised mutual information."""

from __future__ import annotations

import warnings

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.histograms import density, entropies, entropy_of, information
from trifuse.metrics.pixels import MetricWarning, Pixels, stretched

CARD = MetricCard(
    name="q_mi",
    title="Normalised mutual information (Q_MI, NMI)",
    summary="Mutual information of sources and fused image, each term relative to the entropies it is made of.",
    formula="Q_MI = 2 sum_k I(S_k; F) / (H(S_k) + H(F)), images stretched to 0..255",
    paper="Hossny, Nahavandi and Creighton, Electron. Lett. 44, 2008",
    direction="high",
    range=(0, 1),
    kind="pair",
    reduce="sum",
    variants={"dc2": "(H(S)+H(F))/H(S,F) of 100 x 100 bins, 1..2, mean (scikit-image's NMI, used by DC2Fusion)"},
    notes="A sum over sources, N at best. Two constant images share everything there is: 1, with a warning.",
    pitfalls="'NMI' has at least three normalisations in use; those of scikit-image run from 1 to 2.",
)


@metric(CARD, mask="pixels")
def q_mi(source: Pixels, fused: Pixels) -> float:
    """2 I / (H + H) of one source and the fused image."""
    x, y = stretched(source), stretched(fused)
    total = entropy_of(x) + entropy_of(y)
    if total == 0:
        warnings.warn("q_mi: both images are constant; counted as 1", MetricWarning, stacklevel=2)
        return 1.0
    return 2 * information(x, y) / total


@metric(CARD, "dc2", reduce="mean", mask="pixels")
def hundred_bins(source: Pixels, fused: Pixels) -> float:
    """(H + H) / H(joint) of 100 bins per image, in float32 on 0..1; 1 with a warning for two constant images."""
    rows, columns, whole = entropies(density(source.values, fused.values, 100))
    if whole == 0:
        warnings.warn("q_mi@dc2: both images are constant; counted as 1", MetricWarning, stacklevel=2)
        return 1.0
    return (rows + columns) / whole
