"""Structural similarity for fusion of many sources (MEF-SSIM)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.windows import WANG, average, box_sums, covariance, moments, similarity

EPS = 2.0**-52
C = (0.03 * 255) ** 2
SIZE = WANG.size

CARD = MetricCard(
    name="mef_ssim",
    title="Multi-exposure fusion SSIM (MEF-SSIM)",
    summary="Contrast and structure of the fused image against the best patch that the sources together allow.",
    formula=(
        "MEF-SSIM = mean over 11 x 11 patches of (2 s_rF + C) / (s_r^2 + s_F^2 + C), r = desired patch: structures of "
        "the sources weighted by the p-th power of their contrast, at the highest contrast; p = tan(pi R / 2), R = "
        "consistency of the sources; C = (0.03 * 255)^2"
    ),
    paper="Ma, Zeng and Wang, IEEE Trans. Image Process. 24, 2015",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="joint",
    volumes="slices",
    min_size=SIZE,
    notes="Any number of sources, natively. p is at most 10. Gaussian weights (sigma 1.5) inside the patch.",
    pitfalls="No comparison of brightness: a wrong mean grey level costs nothing.",
)


@metric(CARD, mask="windows")
def mef_ssim(fused: Pixels, sources: Sequence[Pixels], mask: Mask | None = None) -> float:
    """Mean over the windows inside the image."""
    return average(similarity_map(fused, sources), mask, SIZE)


def similarity_map(fused: Pixels, sources: Sequence[Pixels]) -> Array:
    """Similarity of the fused patch to the desired patch at every window.

    The desired patch is a combination of the centred source patches, r = sum_k c_k (x_k - m_k), so that all its
    moments follow from the local covariances of the images.
    """
    pairs = list(combinations_with_replacement(range(len(sources)), 2))
    spread = {(i, j): patch_products(sources[i], sources[j]) for i, j in pairs}
    share = contributions(spread, len(sources))
    variance = np.zeros_like(share[0])
    for i, j in pairs:
        term = share[i] * share[j] * covariance(sources[i], sources[j], WANG)
        variance += term if i == j else 2 * term
    both = sum(c * covariance(source, fused, WANG) for c, source in zip(share, sources, strict=True))
    return similarity(variance, moments(fused, WANG).variance, np.asarray(both), C)


def contributions(spread: dict[tuple[int, int], Array], count: int) -> list[Array]:
    """The factor of each centred source patch in the desired patch.

    Args:
        spread: sums over the patch of products of centred sources i <= j.
        count: number of sources.
    """
    norms = [np.sqrt(np.maximum(spread[k, k], 0)) for k in range(count)]
    together = sum(term if i == j else 2 * term for (i, j), term in spread.items())
    consistency = (np.sqrt(np.maximum(together, 0)) + EPS) / (sum(norms) + EPS)
    power = np.minimum(np.tan(np.pi / 2 * np.clip(consistency, EPS, 1 - EPS)), 10)
    contrast = [norm + 0.001 for norm in norms]
    weights = [(e / SIZE) ** power + EPS for e in contrast]
    total = sum(weights)
    share = [np.asarray(w / total / e) for w, e in zip(weights, contrast, strict=True)]
    squared = np.zeros_like(share[0])
    for (i, j), term in spread.items():
        squared += (1 if i == j else 2) * share[i] * share[j] * term
    norm = np.sqrt(np.maximum(squared, 0))
    highest = np.maximum.reduce(contrast)
    scale = np.where(norm > 0, highest / np.where(norm > 0, norm, 1), 1)
    return [c * scale for c in share]


def patch_products(x: Pixels, y: Pixels) -> Array:
    """Sum over each 11 x 11 patch of (x - mean x)(y - mean y); exact for whole grey levels."""
    n = SIZE**2
    products = box_sums(x.values * y.values, SIZE)
    return np.asarray((n * products - patch_sums(x) * patch_sums(y)) / n)


def patch_sums(image: Pixels) -> Array:
    """Sum over each 11 x 11 patch, remembered."""
    return image.once("patch sums", lambda: box_sums(image.values, SIZE))
