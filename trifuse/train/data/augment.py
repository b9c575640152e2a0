"""Honest variety from few patients: other contrasts, palettes, orientations and zooms of the same anatomy.

Every function draws from the generator it is given and from nothing else, so that one seed and one step number give
one batch, whatever came before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trifuse.core import resize
from trifuse.core.colour import LUMA
from trifuse.train.data import palettes

Pixels = NDArray[np.uint8]
"""A picture `(1 or 3, H, W)`."""


def curve(random: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """A monotone intensity curve as 256 values in 0..1: a gamma between 1/(1+s) and 1+s, then a gain that may
    saturate the brightest parts."""
    gamma = np.exp(random.uniform(-1, 1) * np.log1p(strength))
    gain = random.uniform(0.75, 1.15)
    return np.asarray(np.clip(gain * np.linspace(0, 1, 256) ** gamma, 0, 1), dtype=np.float32)


def recontrast(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A grey picture seen through a random monotone intensity curve."""
    return np.rint(curve(random, 0.7) * 255).astype(np.uint8)[pixels]


def repaint(uptake: NDArray[np.float32], random: np.random.Generator) -> Pixels:
    """A functional picture with other uptake (monotone curve) and a palette drawn by how common it is.

    As in the atlas, uptake is quantised before it is painted (128 steps).
    """
    name = str(random.choice(list(palettes.PALETTES), p=[0.5, 0.3, 0.1, 0.1]))
    level = curve(random, 0.6)[np.rint(uptake * 255).astype(np.int64)]
    return palettes.paint(np.rint(level * 127) / 127, name)


def turned(pixels: NDArray[np.generic], which: int) -> NDArray[np.generic]:
    """One of the eight flips and quarter turns of `(..., H, W)`, `which` in 0..7 (0 = as it is)."""
    turned = np.rot90(pixels, which % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if which >= 4 else turned)


def zoomed(pixels: Pixels, factor: float) -> Pixels:
    """The picture at `factor` times its size (Pillow bicubic)."""
    height, width = (max(8, round(n * factor)) for n in pixels.shape[1:])
    return resize.pillow(pixels, (height, width))


def crop(pixels: Pixels, side: int, random: np.random.Generator, tries: int = 3) -> Pixels:
    """A random square of `side`, preferring squares that show something; smaller pictures are set in black."""
    short = [max(0, side - n) for n in pixels.shape[1:]]
    if any(short):
        pixels = np.pad(pixels, ((0, 0), *((n // 2, n - n // 2) for n in short)))
    for _ in range(tries):
        row, column = (int(random.integers(0, n - side + 1)) for n in pixels.shape[1:])
        square = pixels[:, row : row + side, column : column + side]
        if (square.max(axis=0) > 16).mean() > 0.4:
            break
    return np.ascontiguousarray(square)


def grey_to_rgb(pixels: Pixels) -> Pixels:
    """Three equal channels from one; three stay as they are."""
    return np.repeat(pixels, 3, axis=0) if pixels.shape[0] == 1 else pixels


def luma(pixels: Pixels) -> Pixels:
    """One channel from three, ITU-R BT.601, rounded; one stays as it is."""
    if pixels.shape[0] == 1:
        return pixels
    return np.rint(np.tensordot(np.array(LUMA), pixels, axes=1)[None]).astype(np.uint8)


def degraded(pixels: Pixels, scale: int) -> tuple[Pixels, Pixels]:
    """A picture `(3, H, W)` made `scale` times smaller, and that enlarged again, by Pillow's bicubic on 8 bits: exactly
    how the published data sets of the task are made."""
    height, width = pixels.shape[1:]
    small = resize.pillow(pixels, (height // scale, width // scale))
    return small, resize.pillow(small, (height, width))
