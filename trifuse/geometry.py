"""One grid for all sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from trifuse.errors import GridError
from trifuse.image import Image

Registration = Literal["none", "rigid", "affine", "deformable"]


def align(images: Sequence[Image], *, reference: int = 0, register: Registration = "none") -> list[Image]:
    """All images on the grid of `images[reference]`.

    Raises:
        GridError: if the grids differ and `register` is "none"; its table says what differs.
    """
    grid = images[reference]
    if all(same_grid(grid, image) for image in images):
        return list(images)
    raise GridError("the images lie on different grids; bring them onto one with --register rigid")


def same_grid(a: Image, b: Image, tolerance_mm: float = 1e-3) -> bool:
    """Whether two images have equal size and their voxel centres coincide within `tolerance_mm`."""
    if a.space != b.space:
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in (*a.space, 1)[:3]])).reshape(3, -1)
    shift = (a.affine - b.affine)[:3, :3] @ corners + (a.affine - b.affine)[:3, 3:]
    return bool(np.abs(shift).max() <= tolerance_mm)
