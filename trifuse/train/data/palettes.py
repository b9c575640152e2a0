"""Pseudo-colour of PET and SPECT pictures in training: networks meet more palettes than they will be asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trifuse.core import palettes

PALETTES: dict[str, str] = {"pet": "atlas-pet", "spect-tc": "atlas-spect", "hot": "hot", "rainbow": "rainbow"}
"""Name in recipes and records -> palette."""

ATLAS = ("atlas-pet", "atlas-spect")


def paint(uptake: NDArray[np.floating], name: str) -> NDArray[np.uint8]:
    """Uptake `(H, W)` in 0..1 -> RGB `(3, H, W)` uint8."""
    return np.rint(palettes.paint(uptake, PALETTES[name]) * 255).astype(np.uint8)


def uptake(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Uptake `(H, W)` of an RGB picture `(3, H, W)`, or None where its colours lie on neither palette of the atlas."""
    rgb = pixels / np.float32(255)
    name = palettes.recognise(rgb, ATLAS)
    if name is None:
        return None
    found = palettes.read(rgb, name)
    return found.uptake if found.off <= palettes.ON_PALETTE else None
