"""The grid of a prepared study: cubic voxels on the reference's field of view, axes running right, front, up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trifuse.align.grid import Matrix
from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality, finite_range
from trifuse.io.display import CT_WINDOW
from trifuse.io.request import memory_limit
from trifuse.prepare.settings import Normalise

_PERCENT = (0.1, 99.9)


def upright(image: Image) -> Image:
    """The same voxels with axes permuted and flipped so that they run as nearly right, front and up as they can."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    turn = io_orientation(image.affine)
    affine = image.affine @ inv_ornt_aff(turn, image.space)

    def turned(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.ascontiguousarray(np.stack([apply_orientation(channel, turn) for channel in values]))

    stored = None if image.stored is None else turned(image.stored)
    return replace(image, pixels=turned(image.pixels), affine=affine, stored=stored)  # type: ignore[arg-type]


def cubic(image: Image, spacing: float) -> tuple[tuple[int, ...], Matrix]:
    """Size and affine of the grid with cubic voxels over an image's field of view, edge on edge at the low corner.

    Args:
        image: a volume.
        spacing: side of the voxels in mm.

    Raises:
        InputError: if the grid would take more memory than the limit.
    """
    size = tuple(max(1, round(n * step / spacing)) for n, step in zip(image.space, image.spacing, strict=True))
    if 4 * float(np.prod(size)) > memory_limit(None):
        listed = " x ".join(map(str, size))
        raise InputError(f"a grid of {listed} voxels of {spacing:g} mm is too large; choose a larger --spacing")
    change = np.eye(4)
    for axis, step in enumerate(image.spacing):
        change[axis, axis] = spacing / step
        change[axis, 3] = 0.5 * spacing / step - 0.5
    return size, image.affine @ change


def window_of(image: Image, normalise: Normalise) -> tuple[float, float]:
    """The native values that become 0 and 1 (see `settings.Normalise`).

    Raises:
        InputError: if no value is finite.
    """
    low, high = finite_range(image.native(), image.origin)
    if normalise == "robust":
        if image.modality is Modality.CT and low < -500:
            return CT_WINDOW
        values = image.native()
        inside = values[np.isfinite(values)]
        low, high = (float(x) for x in np.percentile(inside, _PERCENT))
    return (low, high) if low < high else (low, low + 1)
