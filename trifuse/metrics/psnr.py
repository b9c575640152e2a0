"""Peak signal-to-noise ratio."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import inf, log10, sqrt

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.mse import squared_error
from trifuse.metrics.pixels import MetricWarning, Pixels

CARD = MetricCard(
    name="psnr",
    title="Peak signal-to-noise ratio (PSNR)",
    summary="Mean squared error on a logarithmic scale relative to the peak of 255, in decibels.",
    formula="PSNR = 10 log10( 255^2 / mean_k MSE_k )",
    direction="high",
    range=(0, None),
    kind="pair",
    reduce="joint",
    variants={
        "evaluator": "the peak is the maximum of the fused image instead of 255 (CDDFuse's Evaluator)",
        "tang": "peak 255 over an error of images 0..1: the true value + 48.13 dB (Tang's MATLAB program)",
        "vifb": "the error is VIFB's, RMSE / sqrt(HW)",
        "mean": "mean over the sources of each source's PSNR, instead of PSNR of the mean error",
    },
    notes="From the mean error over the sources, and over all channels under colour='rgb'. Equal images have inf.",
    pitfalls="Published values of 60 to 70 dB carry the 48 dB of the `tang` variant.",
)


@metric(CARD, at_once=True, mask="pixels", rgb="samples")
def psnr(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Decibels from the mean error, and from each source's error."""
    return decibels([squared_error(source, fused) for source in sources], 255.0)


@metric(CARD, "evaluator", at_once=True, mask="pixels", rgb="samples")
def evaluator(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """As `psnr`, relative to the largest fused grey level; 0 with a warning if the fused image is black."""
    peak = float(fused.values.max())
    if peak == 0:
        warnings.warn("psnr@evaluator: the fused image is black and has no peak; 0", MetricWarning, stacklevel=2)
        return Score(0.0, (0.0,) * len(sources))
    return decibels([squared_error(source, fused) for source in sources], peak)


@metric(CARD, "tang", at_once=True, mask="pixels", rgb="samples")
def tang(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """As `psnr`, the error divided by 255^2."""
    return decibels([squared_error(source, fused) / 255**2 for source in sources], 255.0)


@metric(CARD, "vifb", at_once=True, rgb="channels")
def vifb(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """As `psnr`, the error being sqrt(MSE / HW)."""
    return decibels([sqrt(squared_error(source, fused) / fused.values.size) for source in sources], 255.0)


@metric(CARD, "mean", at_once=True, mask="pixels", rgb="samples")
def mean(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Mean of the sources' values."""
    values = psnr.measure(fused, sources).per_source
    return Score(sum(values) / len(values), values)


def decibels(errors: Sequence[float], peak: float) -> Score:
    """10 log10(peak^2 / error) of the mean error and of each; inf where the error is 0."""
    values = [inf if error == 0 else 10 * log10(peak**2 / error) for error in [sum(errors) / len(errors), *errors]]
    return Score(values[0], tuple(values[1:]))
