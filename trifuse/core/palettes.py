"""Palettes of functional images: from uptake to colour, and from colour back to uptake.

A palette is a curve through RGB along which uptake runs from 0 to 1. Its nodes stand in `palettes.csv`:

| name | what it is |
|---|---|
| atlas-pet, atlas-spect | the two palettes of the Whole Brain Atlas, measured on its lossless pictures |
| hot-iron, ge, hot-metal-blue, pet20 | of DICOM PS3.6 Annex B (ge is its PET, known as GE's) |
| siemens, hot, rainbow | of other workstations and programs |
| ember | ours, for overlays: hue alone orders uptake, and no end of it is white, grey or black |

Those of matplotlib that are ordered for the eye (inferno, magma, plasma, viridis, cividis), its turbo and its spectral
(nipy_spectral) can be named too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.core import colour
from trifuse.core.errors import OptionError

LEVELS = 512
"""Entries of a palette's table; pictures have 20 to 256 steps."""

MATPLOTLIB = ("inferno", "magma", "plasma", "viridis", "cividis", "turbo", "spectral")
"""Those of matplotlib, whose 256 colours each stand in `maps.npz`, so that reading uptake needs no plotting library."""

LUMA = np.array(colour.LUMA, dtype=np.float32)
"""ITU-R BT.601, as in `trifuse.core.colour`."""

COLOURED, DARK = 24.0, 8.0
"""Grey levels between the channels of a pixel from which it has colour, and below which a pixel is background."""

ON_PALETTE, NEAR_PALETTE = 12.0, 40.0
"""Distances (grey levels, 95th percentile) up to which a picture is drawn with a palette, or was before it was
resampled or compressed."""

TRUSTED = 4.0
"""Distance up to which a pixel's own colour is enough; beyond, its neighbours have a say."""

NEIGHBOURS, STIFFNESS = 1.5, 160.0
"""Reach of neighbours in pixels, and what a difference of 1 in uptake from them costs in grey levels."""

BLOCK = 1 << 14


class Reading(NamedTuple):
    """Uptake that was read from colours, and how well that went.

    Attributes:
        palette: name of the palette.
        uptake: float32 `(*space)`, 0..1.
        off: distance of the coloured pixels from the palette in grey levels of 255, 95th percentile; up to 2 for a
            lossless picture, 10 to 40 for a resampled or compressed one.
        doubtful: share of the coloured pixels farther off than `ON_PALETTE`.
    """

    palette: str
    uptake: NDArray[np.float32]
    off: float
    doubtful: float


@cache
def _nodes() -> dict[str, NDArray[np.float64]]:
    """Name -> rows of position, red, green, blue."""
    found: dict[str, list[list[float]]] = {}
    with Path(__file__).with_name("palettes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["palette"], []).append([float(row[k]) for k in ("position", "red", "green", "blue")])
    return {name: np.array(rows) for name, rows in found.items()}


def names() -> tuple[str, ...]:
    """All palettes, ours and the field's first."""
    return (*_nodes(), *MATPLOTLIB)


@cache
def table(name: str) -> NDArray[np.float32]:
    """`(LEVELS, 3)` colours 0..255 of a palette at evenly spaced uptake.

    Raises:
        OptionError: if there is no such palette.
    """
    at = np.linspace(0, 1, LEVELS)
    if name in MATPLOTLIB:
        with np.load(Path(__file__).with_name("maps.npz")) as maps:
            colours: NDArray[np.float32] = maps[name]
        return colours[np.minimum((at * len(colours)).astype(np.int64), len(colours) - 1)]
    if name not in _nodes():
        raise OptionError(f"palette {name!r} is not known; choose one of {', '.join(names())}")
    nodes = _nodes()[name]
    return np.stack([np.interp(at, nodes[:, 0], nodes[:, k]) for k in (1, 2, 3)], axis=1).astype(np.float32)


def paint(uptake: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Uptake `(*space)` in 0..1 (clipped, NaN is 0) -> RGB `(3, *space)`, 0..1."""
    index = np.rint(np.clip(np.nan_to_num(uptake), 0, 1) * (LEVELS - 1)).astype(np.int64)
    return np.ascontiguousarray(np.moveaxis(table(name)[index] / 255, -1, 0))


def read(rgb: NDArray[np.floating], name: str) -> Reading:
    """Uptake of a picture or volume in a known palette, resampled or compressed or not.

    Each pixel takes the nearest colour of the palette. Where it lies off the palette, as between two colours that were
    interpolated or smeared by JPEG, the nearest may be on another branch: there the uptake of the trusted neighbours
    decides too.

    Args:
        rgb: `(3, *space)`, 0..1.
        name: of the palette.

    Raises:
        OptionError: if there is no such palette.
    """
    space = rgb.shape[1:]
    colours = _levels(rgb)
    distance, index = _nearest(colours, table(name))
    uptake = (index / (LEVELS - 1)).astype(np.float32).reshape(space)
    off = distance.reshape(space)
    coloured = _coloured(colours)
    worst = float(np.percentile(distance[coloured], 95)) if coloured.any() else 0.0
    doubtful = float(np.mean(distance[coloured] > ON_PALETTE)) if coloured.any() else 0.0
    if (off > TRUSTED).any():
        uptake = _with_neighbours(uptake, off, colours, name)
    return Reading(name, uptake, worst, doubtful)


def recognise(rgb: NDArray[np.floating], candidates: tuple[str, ...] | None = None) -> str | None:
    """Name of the palette that a picture or volume `(3, *space)`, 0..1, is drawn in; None if it is in none of ours."""
    colours = _levels(rgb)
    inside = colours.max(axis=1) > DARK
    coloured = _coloured(colours)
    if coloured.sum() < max(16, 0.05 * inside.sum()):
        return None
    some = _sample(colours[inside])
    ranked = sorted((_misfit(some, name), name) for name in candidates or names())
    (best, name), (second, _) = ranked[0], ranked[min(1, len(ranked) - 1)]
    sure = best <= ON_PALETTE or (best <= NEAR_PALETTE and best <= 0.6 * second)
    return name if sure and _extent(some, name) > 0.2 else None


def read_overlay(rgb: NDArray[np.floating], name: str, *, lightness: float = 0.25) -> NDArray[np.float32]:
    """Uptake `(*space)` read from a fused picture, whose lightness is in part a structure's.

    Colours are compared by what is left when their luma is taken off, and by luma with weight `lightness` (1 compares
    RGB as it is).

    Args:
        rgb: `(3, *space)`, 0..1.
        name: palette of the overlay.

    Raises:
        OptionError: if there is no such palette.
    """
    _, index = _nearest(_split(_levels(rgb), lightness), _split(table(name), lightness))
    return (index / (LEVELS - 1)).astype(np.float32).reshape(rgb.shape[1:])


def _levels(rgb: NDArray[np.floating]) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = np.clip(np.nan_to_num(rgb.reshape(3, -1).T), 0, 1).astype(np.float32) * np.float32(
        255
    )
    return levels


def _split(colours: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    luma = (colours @ LUMA)[:, None]
    parts: NDArray[np.float32] = np.concatenate([colours - luma, weight * luma], axis=1)
    return parts


def _coloured(colours: NDArray[np.float32]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = colours.max(axis=1) - colours.min(axis=1) > COLOURED
    return found


def _nearest(colours: NDArray[np.float32], curve: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distance to the nearest row of `curve`, and which it is; every colour that occurs is looked up once."""
    from scipy.spatial import cKDTree

    tree = cKDTree(curve)
    if len(colours) > BLOCK and colours.shape[1] == 3:
        keys = np.rint(colours).astype(np.int64) @ np.array([65536, 256, 1])
        _, first, back = np.unique(keys, return_index=True, return_inverse=True)
        if np.allclose(colours[:BLOCK], np.rint(colours[:BLOCK]), atol=1e-3):
            distance, index = (np.asarray(part) for part in tree.query(colours[first]))
            return distance[back].astype(np.float32), index[back].astype(np.int64)
    distance, index = (np.asarray(part) for part in tree.query(colours))
    return distance.astype(np.float32), index.astype(np.int64)


def _with_neighbours(
    uptake: NDArray[np.float32], off: NDArray[np.float32], colours: NDArray[np.float32], name: str
) -> NDArray[np.float32]:
    """Uptake where untrusted pixels are nearest to the palette and to their trusted neighbours together."""
    from scipy.ndimage import gaussian_filter

    trust = np.exp(-((off / TRUSTED) ** 2) / 2).astype(np.float32)
    weight = gaussian_filter(trust, NEIGHBOURS) + 1e-9
    around = (gaussian_filter(trust * uptake, NEIGHBOURS) / weight).ravel()
    stiffness = STIFFNESS * np.clip(weight.ravel() * 4, 0, 1)
    curve, at = table(name)[::4], np.linspace(0, 1, LEVELS)[::4].astype(np.float32)
    better = uptake.ravel().copy()
    for block in _blocks(np.flatnonzero(off.ravel() > TRUSTED)):
        far = ((colours[block, None] - curve) ** 2).sum(axis=-1)
        apart = (stiffness[block, None] * (at - around[block, None])) ** 2
        better[block] = at[np.argmin(far + apart, axis=1)]
    return better.reshape(uptake.shape)


def _blocks(where: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(where), BLOCK):
        yield where[start : start + BLOCK]


def _sample(colours: NDArray[np.float32], most: int = 2048) -> NDArray[np.float32]:
    return colours[:: max(1, len(colours) // most)]


def _misfit(colours: NDArray[np.float32], name: str) -> float:
    return float(np.percentile(_nearest(colours, table(name))[0], 95))


def _extent(colours: NDArray[np.float32], name: str) -> float:
    """Share of the palette's length that the colours take up."""
    index = _nearest(colours, table(name))[1]
    return float(np.percentile(index, 99) - np.percentile(index, 1)) / (LEVELS - 1)
