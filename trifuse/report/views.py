"""What is shown of an image: slices as radiologists read them, with the patient's sides.

The patient's right is on the left of axial and coronal views, the front on top, where the image knows its sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.align.grid import has_geometry, orientation
from trifuse.core.image import Image

OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
"""Side of the patient -> the other one."""


@dataclass(frozen=True)
class View:
    """A slice as it is shown.

    Attributes:
        pixels: `(rows, columns)` or `(rows, columns, 3)`.
        spacing: mm between rows and between columns.
        marks: letters on the left, right and top border, or empty texts; the bottom has the opposite of the top.
        cross: row and column where the other planes cut this one, None for pictures.
    """

    pixels: NDArray[np.float32]
    spacing: tuple[float, float]
    marks: tuple[str, str, str] = ("", "", "")
    cross: tuple[int, int] | None = None


def middle(image: Image) -> NDArray[np.float64]:
    """The middle of what the image shows, RAS mm: the centre of what is brighter than a tenth of its brightest."""
    bright = image.pixels.max(axis=0)
    inside = np.argwhere(bright > 0.1 * float(bright.max()))
    centre = inside.mean(axis=0) if len(inside) else np.array(image.space) / 2
    return to_mm(image, centre)


def views(image: Image, at: NDArray[np.float64]) -> list[View]:
    """What is shown of an image: a picture as it is; of a volume the axial, coronal and sagittal slices through `at`.

    Volumes are turned to the nearest of the patient's axes, never resampled, so oblique ones look slightly tilted.
    """
    if image.dims == 2:
        return [View(_channels_last(image.pixels), (image.spacing[0], image.spacing[1]), _picture_marks(image))]
    pixels, affine = _canonical(image)
    index = np.linalg.inv(affine) @ [*at, 1]
    x, y, z = (int(np.clip(round(float(i)), 0, n - 1)) for i, n in zip(index, pixels.shape[1:], strict=False))
    dx, dy, dz = (float(s) for s in np.linalg.norm(affine[:3, :3], axis=0))
    sides = ("R", "L") if has_geometry(image) else ("", "")
    front = ("A", "P") if has_geometry(image) else ("", "")
    across, back, down = (n - 1 - i for n, i in zip(pixels.shape[1:], (x, y, z), strict=True))
    turned = pixels[:, ::-1, ::-1, ::-1]
    axial = turned[..., -1 - z].swapaxes(1, 2)
    coronal = turned[:, :, -1 - y].swapaxes(1, 2)
    sagittal = turned[:, -1 - x].swapaxes(1, 2)
    return [
        View(_channels_last(axial), (dy, dx), (*sides, front[0]), (back, across)),
        View(_channels_last(coronal), (dz, dx), (*sides, "S" if front[0] else ""), (down, across)),
        View(_channels_last(sagittal), (dz, dy), (*front, "S" if front[0] else ""), (down, back)),
    ]


def _canonical(image: Image) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Pixels `(C, X, Y, Z)` with axes flipped and permuted to the nearest of right, front and up."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    turn = io_orientation(image.affine)
    pixels = np.stack([apply_orientation(channel, turn) for channel in image.pixels])
    return pixels, image.affine @ inv_ornt_aff(turn, image.space)


def _picture_marks(image: Image) -> tuple[str, str, str]:
    """Letters of a slice that knows its place: what lies on its left, right and top."""
    if not has_geometry(image):
        return ("", "", "")
    code = orientation(image)
    return (OPPOSITE[code[1]], code[1], OPPOSITE[code[0]])


def _channels_last(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)


def to_mm(image: Image, index: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Place `(3,)` of a voxel index in RAS mm."""
    whole = np.append([float(i) for i in index], [0.0] * (3 - image.dims))
    return np.asarray(image.affine[:3, :3] @ whole + image.affine[:3, 3])
