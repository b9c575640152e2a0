"""Pseudo-colour of PET and SPECT pictures: from colour back to uptake, and to colour again with another palette.

The palettes of the Whole Brain Atlas are one-dimensional and piecewise linear; the nodes of the first two were
measured on its lossless pictures, the others are the field's well-known ones (hot metal, rainbow), so that a network
meets more palettes than it will be asked for.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Nodes = list[tuple[float, tuple[int, int, int]]]

PALETTES: dict[str, Nodes] = {
    "pet": [
        (0.0, (0, 0, 0)),
        (0.125, (0, 0, 124)),
        (0.25, (0, 85, 255)),
        (0.5, (255, 255, 0)),
        (0.75, (255, 0, 0)),
        (1.0, (255, 0, 255)),
    ],
    "spect-tc": [
        (0.0, (0, 0, 0)),
        (0.143, (40, 70, 72)),
        (0.363, (82, 0, 143)),
        (0.571, (189, 89, 121)),
        (0.802, (255, 114, 0)),
        (1.0, (255, 222, 255)),
    ],
    "hot": [(0.0, (0, 0, 0)), (0.36, (255, 0, 0)), (0.74, (255, 255, 0)), (1.0, (255, 255, 255))],
    "rainbow": [
        (0.0, (0, 0, 0)),
        (0.15, (80, 0, 140)),
        (0.35, (0, 60, 255)),
        (0.5, (0, 200, 120)),
        (0.7, (255, 240, 0)),
        (1.0, (255, 0, 0)),
    ],
}
"""Name -> nodes: position of uptake 0..1 and RGB 0..255."""

LEVELS = 512
"""Entries of a palette table; the atlas's own have 91 to 128 steps."""

ON_PALETTE = 12.0
"""Largest distance (grey levels, 95th percentile over the coloured pixels) at which a picture counts as drawn with a
palette."""


@cache
def table(name: str) -> NDArray[np.float32]:
    """`(LEVELS, 3)` colours 0..255 of a palette at evenly spaced uptake."""
    positions, colours = zip(*PALETTES[name], strict=True)
    at = np.linspace(0, 1, LEVELS)
    return np.stack([np.interp(at, positions, [c[k] for c in colours]) for k in range(3)], axis=1).astype(np.float32)


def paint(uptake: NDArray[np.floating], name: str) -> NDArray[np.uint8]:
    """Uptake `(H, W)` in 0..1 -> RGB `(3, H, W)` uint8."""
    index = np.rint(np.clip(uptake, 0, 1) * (LEVELS - 1)).astype(np.int64)
    return np.ascontiguousarray(np.rint(table(name))[index].astype(np.uint8).transpose(2, 0, 1))


def uptake(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Uptake `(H, W)` of an RGB picture `(3, H, W)`, or None where its colours lie on neither palette of the atlas."""
    from scipy.spatial import cKDTree

    colours = pixels.reshape(3, -1).T.astype(np.float32)
    coloured = colours.max(axis=1) > 8
    if not coloured.any():
        return None
    best: tuple[float, NDArray[np.float32]] | None = None
    for name in ("pet", "spect-tc"):
        distance, index = (np.asarray(part) for part in cKDTree(table(name)).query(colours))
        off = float(np.percentile(distance[coloured], 95))
        if off <= ON_PALETTE and (best is None or off < best[0]):
            best = off, np.asarray(index / (LEVELS - 1), dtype=np.float32).reshape(pixels.shape[1:])
    return best[1] if best is not None else None
