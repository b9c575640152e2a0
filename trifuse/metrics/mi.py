"""Mutual information of the sources and the fused image."""

from __future__ import annotations

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.histograms import (
    binned_joint,
    density,
    entropies,
    entropy,
    entropy_of,
    information,
    joint_counts,
    joint_information,
)
from trifuse.metrics.pixels import Pixels, stretched

NATS = float(np.log(2))

CARD = MetricCard(
    name="mi",
    title="Mutual information (MI)",
    summary="How much the fused grey levels tell about the grey levels of the sources, in bits.",
    formula="MI = sum_k I(S_k; F), I(X;Y) = H(X) + H(Y) - H(X,Y), 256 x 256 joint histogram, log2",
    paper="Qu, Zhang and Yan, Electron. Lett. 38, 2002",
    direction="high",
    range=(0, 8),
    kind="pair",
    reduce="sum",
    variants={
        "evaluator": "in nats (CDDFuse's Evaluator, and the tables of DDFM, EMMA); 1 nat = 1.442695 bits",
        "tang": "the joint histogram merges grey 254 and 255, a saturation defect of Tang's MATLAB program",
        "vifb": "in nats, on images stretched to 0..255 first (VIFB)",
        "palm": "20 x 20 bins over the data range, in nats (DDFM-PALM)",
        "dc2": "10 x 10 bins over the data range of 0..1 images in float32, in nats, mean (DC2Fusion)",
    },
    notes="Summed over the sources, as the two-source programs do; divide by N before comparing different N.",
    pitfalls=(
        "Bits and nats are both common: check the unit before comparing. MI prefers sources of high entropy, and "
        "copying one source scores well."
    ),
)


@metric(CARD, mask="pixels")
def mi(source: Pixels, fused: Pixels) -> float:
    """Mutual information of one source and the fused image, in bits."""
    return information(source, fused)


@metric(CARD, "evaluator", mask="pixels")
def nats(source: Pixels, fused: Pixels) -> float:
    """As `mi`, in nats."""
    return information(source, fused) * NATS


@metric(CARD, "tang", mask="pixels")
def saturated(source: Pixels, fused: Pixels) -> float:
    """Bits; the marginals have 256 levels, but levels 254 and 255 fall together in the joint histogram."""
    merged = joint_counts(source, fused).copy()
    merged[254] += merged[255]
    merged[:, 254] += merged[:, 255]
    return entropy_of(source) + entropy_of(fused) - entropy(merged[:255, :255])


@metric(CARD, "vifb", mask="pixels")
def of_stretched(source: Pixels, fused: Pixels) -> float:
    """Nats, between images stretched to 0..255."""
    return information(stretched(source), stretched(fused)) * NATS


@metric(CARD, "palm", mask="pixels")
def twenty_bins(source: Pixels, fused: Pixels) -> float:
    """Nats, from 20 x 20 bins."""
    return joint_information(binned_joint(source.values, fused.values, 20)) * NATS


@metric(CARD, "dc2", reduce="mean", mask="pixels")
def ten_bins(source: Pixels, fused: Pixels) -> float:
    """Nats, from 10 x 10 bins of float32 images 0..1; 0 for a constant image."""
    if np.ptp(source.values) == 0 or np.ptp(fused.values) == 0:
        return 0.0
    rows, columns, whole = entropies(density(source.values, fused.values, 10))
    return (rows + columns - whole) * NATS
