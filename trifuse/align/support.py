"""Whether the pictures support a movement: halves of them, registered on their own, must agree on it.

Mutual information has optima that mean nothing: uptake that is dark in fat as in air draws a PET by a centimetre over
the outline of an MR, and explains much more of it there. Such an optimum is a compromise of contradictory parts. Of a
true one every part says the same: when each half of the region looks for itself, starting where the whole was placed,
it stays there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from trifuse.align.similarity import (
    SEED,
    Pair,
    Picture,
    by_conjugate_gradients,
    itk_pair,
    mutual_information,
    region_of,
)

SAMPLES = 20_000
"""Voxels at most that one evaluation looks at in a half."""

AGREEMENT_MM = 2.0
"""Distance that the halves may stray (root mean square), if it is more than `AGREEMENT` of the movement."""

AGREEMENT = 0.15
"""Share of the movement that the halves may stray."""

FEWEST = 500
"""Voxels of the region in common below which the halves say nothing."""

UNDOUBTED_MM = 1.0
"""Movements this small are taken as they are: the halves cannot tell them from their own noise."""


def disagreement(pair: Pair, start: sitk.Transform, found: sitk.Transform) -> float:
    """Distance in mm (root mean square) by which halves of the region stray from a rigid or affine transform.

    Args:
        pair: the pictures.
        start: from where registration began; with `found` it tells the region that is looked at.
        found: reference -> image.

    Returns:
        Infinity where the two have next to nothing in common.
    """
    fixed, moving = pair.fixed, pair.moving
    region = region_of(fixed, moving, start, found) & pair.view(found)
    if int(region.sum()) < FEWEST:
        return float("inf")
    strays = [_stray(pair, half, found) for half in _halves(fixed, region)]
    return float(np.sqrt(np.mean(np.square(strays))))


def is_supported(moved_mm: float, disagreement_mm: float) -> bool:
    """Whether the halves agree well enough on a movement of so many mm on average."""
    return moved_mm <= UNDOUBTED_MM or disagreement_mm <= max(AGREEMENT_MM, AGREEMENT * moved_mm)


def _halves(fixed: Picture, region: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The region cut in two at its median along each axis."""
    where = np.argwhere(region)
    for axis in range(fixed.dims):
        below = where[:, axis] <= np.median(where[:, axis])
        for side in (below, ~below):
            half = np.zeros_like(region)
            half[tuple(where[side].T)] = True
            yield half


def _stray(pair: Pair, half: NDArray[np.bool_], found: sitk.Transform) -> float:
    """How far a half of the region shifts when it may look for itself."""
    shift = sitk.TranslationTransform(pair.fixed.dims)
    method = mutual_information(pair.fixed, half)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, SAMPLES / max(1, int(half.sum()))), SEED)
    by_conjugate_gradients(method, iterations=20, step_mm=pair.finest)
    method.SetMovingInitialTransform(found)
    method.SetInitialTransform(shift, inPlace=True)
    method.Execute(*itk_pair(pair.fixed, pair.moving))
    return float(np.linalg.norm(shift.GetOffset()))
