"""Feature mutual information (FMI) of five kinds of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pywt
from scipy import fft

from trifuse.metrics.base import Metric, MetricCard, Score, metric
from trifuse.metrics.fmi_windows import mean_information
from trifuse.metrics.gradients import gradients
from trifuse.metrics.pixels import Array, Pixels

Feature = Callable[[Array], Array]


def card(feature: str, title: str, of: str, notes: str = "") -> MetricCard:
    """The card of FMI of one kind of features, which differ in name and feature only."""
    return MetricCard(
        name=f"fmi_{feature}",
        title=f"Feature mutual information of {title} (FMI_{feature})",
        summary=f"Mutual information of {of} of sources and fused image in 3 x 3 windows.",
        formula=(
            "FMI = mean_k mean over windows of 2 I / (H_S + H_F), I from the joint distribution that lies between "
            f"independence and extreme coupling at the windows' correlation; features: {of}"
        ),
        paper="Haghighat and Razian, Proc. AICT, 2014",
        direction="high",
        range=(0, 1),
        kind="joint",
        reduce="mean",
        volumes="slices",
        min_size=3,
        variants={
            "tang": "from the second source on, windows are tested for equality after the fused one was rescaled to "
            "0..1, as the original program does (differs in the 4th digit)"
        },
        notes=" ".join(
            [
                "A window equal in both images counts as 1, as do two constant ones; one constant window counts as 0.",
                notes,
            ]
        ).strip(),
        pitfalls=(
            "Black background makes windows equal and inflates it. Tang's 'FMI_pixel' passes no feature and so is the "
            "edge variant."
        ),
    )


def itself(x: Array) -> Array:
    """The grey levels."""
    return x


def horizontal(x: Array) -> Array:
    """Horizontal differences: central inside, one-sided at the border."""
    return np.asarray(np.gradient(x, axis=1))


def cosine(x: Array) -> Array:
    """Orthonormal 2-D cosine transform (DCT-II) of the whole image."""
    return np.asarray(fft.dctn(x, norm="ortho"))


def wavelets(x: Array) -> Array:
    """One level of the discrete Meyer wavelet with symmetric extension, [A H; V D], jointly rescaled to 0..1."""
    approximation, (across, down, diagonal) = pywt.dwt2(x, "dmey", mode="symmetric")
    bands = np.block([[approximation, across], [down, diagonal]])
    low, high = bands.min(), bands.max()
    return np.asarray((bands - low) / (high - low) if high > low else np.zeros_like(bands))


def edge_map(x: Array) -> Array:
    """Thinned Sobel edges (0 or 1): squared strength above 4 times its mean, and a local maximum across the edge."""
    down, right = (g / 8 for g in gradients(x, "edge"))
    power = down**2 + right**2
    padded = np.pad(power, 1)
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, after = padded[1:-1, :-2], padded[1:-1, 2:]
    tolerance = 100 * np.finfo(np.float64).eps
    upright = (np.abs(right) >= np.abs(down) - tolerance) & (left <= power) & (power > after)
    level = (np.abs(down) >= np.abs(right) - tolerance) & (above <= power) & (power > below)
    return np.asarray((power > 4 * power.mean()) & (upright | level), dtype=np.float64)


def measured(fused: Pixels, sources: Sequence[Pixels], feature: Feature, *, order_effect: bool = False) -> Score:
    """Mean over the sources of the window statistic of their features and the fused image's."""
    ours = feature(fused.values)
    values = tuple(
        mean_information(feature(source.values), ours, rescaled_first=order_effect and k > 0)
        for k, source in enumerate(sources)
    )
    return Score(sum(values) / len(values), values)


PIXEL = card("pixel", "grey levels", "the grey levels themselves")
GRADIENT = card("gradient", "gradients", "horizontal central differences")
DCT = card("dct", "cosine coefficients", "the cosine transform of the whole image")
WAVELET = card(
    "wavelet",
    "wavelet coefficients",
    "one level of the discrete Meyer wavelet",
    "The filter has 62 taps; MATLAB's has 102, so that its values may differ in the 3rd digit.",
)
EDGE = card(
    "edge",
    "edges",
    "thinned Sobel edge maps",
    "The edge map follows the documented rules of MATLAB's edge(); it could not be compared with the original.",
)


def both(card: MetricCard, feature: Feature) -> tuple[Metric, Metric]:
    """FMI of a kind of features, and its variant with the original's order effect."""
    return (
        metric(card)(partial(measured, feature=feature)),
        metric(card, "tang")(partial(measured, feature=feature, order_effect=True)),
    )


pixel, pixel_tang = both(PIXEL, itself)
gradient, gradient_tang = both(GRADIENT, horizontal)
dct, dct_tang = both(DCT, cosine)
wavelet, wavelet_tang = both(WAVELET, wavelets)
edge, edge_tang = both(EDGE, edge_map)
