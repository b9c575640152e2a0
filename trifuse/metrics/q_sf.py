"""Relative error of spatial frequency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import product
from math import sqrt

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, MetricWarning, Pixels

CARD = MetricCard(
    name="q_sf",
    title="Ratio of spatial frequency error (Q_SF)",
    summary="Whether the fused image has less (negative) or more (positive) activity than the liveliest source has.",
    formula=(
        "Q_SF = (SF_F - SF_R) / SF_R, SF = sqrt( sum_d w_d sum (d F)^2 / HW ), d = horizontal, vertical (w = 1) and "
        "both diagonal (w = 1/sqrt 2) differences; SF_R takes max_k |d S_k|"
    ),
    paper="Zheng, Essock, Hansen and Haun, Inf. Fusion 8, 2007",
    direction="zero",
    range=(-1, None),
    kind="joint",
    reduce="joint",
    volumes="generalised",
    min_size=2,
    notes=(
        "Volumes: the 13 directions to the neighbours of a voxel, weighted by 1 / distance. Constant sources: 0 if the "
        "fused image is constant too, else 1, with a warning."
    ),
    pitfalls="0 is best: a large positive value means noise or artefacts, not quality.",
)


@metric(CARD)
def q_sf(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Relative difference of the fused image's spatial frequency from the reference one."""
    ours = reference = 0.0
    for step in directions(fused.dims):
        weight = 1 / sqrt(sum(abs(s) for s in step))
        ours += weight * float(np.sum(difference(fused.values, step) ** 2))
        strongest = np.abs(difference(sources[0].values, step))
        for source in sources[1:]:
            np.maximum(strongest, np.abs(difference(source.values, step)), out=strongest)
        reference += weight * float(np.sum(strongest**2))
    if reference == 0:
        warnings.warn("q_sf: all sources are constant; there is no reference", MetricWarning, stacklevel=2)
        return float(ours > 0)
    return sqrt(ours / reference) - 1


def directions(dims: int) -> Iterator[tuple[int, ...]]:
    """One step to each neighbour, opposite steps counted once."""
    for step in product((1, 0, -1), repeat=dims):
        if step > (0,) * dims:
            yield step


def difference(x: Array, step: tuple[int, ...]) -> Array:
    """x minus its neighbour one step away, where both lie inside."""
    here, there = [], []
    for s, n in zip(step, x.shape, strict=True):
        here.append(slice(max(s, 0), n + min(s, 0)))
        there.append(slice(max(-s, 0), n + min(-s, 0)))
    return np.asarray(x[tuple(here)] - x[tuple(there)])
