"""Where measures of usefulness look: the head (or body), a lesion's ring, isolated extremes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.core.errors import InputError
from trifuse.metrics.pixels import Array, Mask, Pixels

BACKGROUND = 0.08
"""Share of the brightest grey level of all sources up to which a pixel of every source is background."""

RING = (2.0, 6.0)
"""A ring holds what lies farther than the first and not farther than the second from the lesion, in pixels."""

EXTREME = 8.0
"""Grey levels by which an isolated extreme exceeds all its neighbours: what is seen as a dot."""


def head(sources: Sequence[Pixels]) -> Mask:
    """Where any source shows more than background; everything if nothing does."""
    most = np.max([source.values for source in sources], axis=0)
    inside: Mask = most > BACKGROUND * float(most.max())
    return inside if inside.any() else np.ones_like(inside)


def ring(lesion: Mask, sources: Sequence[Pixels]) -> Mask:
    """The surroundings of a lesion inside the head.

    Raises:
        InputError: if nothing of the head is there.
    """
    from scipy.ndimage import distance_transform_edt

    apart = distance_transform_edt(~lesion)
    around: Mask = (apart > RING[0]) & (apart <= RING[1]) & head(sources)
    if not around.any():
        raise InputError(
            f"nothing of the head lies {RING[0]:g} to {RING[1]:g} pixels from the masked lesion; give a smaller mask"
        )
    return around


def extremes(x: Array, sign: int, least: float) -> Mask:
    """Samples more than `least` above (sign 1) or below (-1) all their neighbours, diagonal ones included."""
    from itertools import product

    x = np.pad(sign * x, 1, constant_values=-np.inf)
    inner = (slice(1, -1),) * x.ndim
    highest = np.full(x[inner].shape, -np.inf)
    for shift in product((0, 1, 2), repeat=x.ndim):
        if any(step != 1 for step in shift):
            near = tuple(slice(step, n - 2 + step) for step, n in zip(shift, x.shape, strict=True))
            np.maximum(highest, x[near], out=highest)
    found: Mask = x[inner] > highest + least
    return found


def specks(fused: Pixels, sources: Sequence[Pixels]) -> Mask:
    """Isolated extremes of the fused image that no source has within a pixel."""
    from scipy.ndimage import binary_dilation

    found = np.zeros(fused.values.shape, bool)
    for sign in (1, -1):
        mine = extremes(fused.values, sign, EXTREME)
        if mine.any():
            theirs = np.zeros_like(mine)
            for source in sources:
                theirs |= extremes(source.values, sign, 0.0)
            found |= mine & ~binary_dilation(theirs, np.ones((3,) * theirs.ndim, bool))
    return found
