"""Normalised mean squared error."""

from __future__ import annotations

import warnings

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.mse import squared_error
from trifuse.metrics.pixels import MetricWarning, Pixels

CARD = MetricCard(
    name="nmse",
    title="Normalised mean squared error (NMSE)",
    summary="Squared difference of the fused image from a source, relative to the energy of the source.",
    formula="NMSE = mean_k sum (F - S_k)^2 / sum S_k^2",
    direction="low",
    range=(0, None),
    kind="pair",
    reduce="mean",
    notes="A black source has no energy: 0 if the fused image is black too, else the fused image's own energy is "
    "taken (value 1); both with a warning. Colour: over all three channels under colour='rgb'.",
    pitfalls="A dark source (sparse PET) makes it large: values of different sources are not comparable.",
)


@metric(CARD, mask="pixels", rgb="samples")
def nmse(source: Pixels, fused: Pixels) -> float:
    """Relative squared difference from one source."""
    energy = float(np.mean(source.values**2))
    if energy == 0:
        warnings.warn("nmse: the source is black; the energy is the fused image's", MetricWarning, stacklevel=2)
        return float(fused.values.any())
    return squared_error(source, fused) / energy
