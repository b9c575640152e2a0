"""Grids: which one an image lies on, and in what two of them differ.

A grid is a size and an affine (voxel indices -> RAS millimetres).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from trifuse.core.image import PICTURE_AFFINE, Image, scaled_affine

Matrix = NDArray[np.float64]

TOLERANCE_MM = 1e-3
"""Voxel centres closer than this are the same place."""


def same_grid(a: Image, b: Image, tolerance_mm: float = TOLERANCE_MM) -> bool:
    """Whether two images have equal size and their voxel centres coincide within `tolerance_mm`."""
    if a.space != b.space:
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in (*a.space, 1)[:3]])).reshape(3, -1)
    shift = (a.affine - b.affine)[:3, :3] @ corners + (a.affine - b.affine)[:3, 3:]
    return bool(np.abs(shift).max() <= tolerance_mm)


def has_geometry(image: Image) -> bool:
    """Whether the image knows its place and its size in mm, unlike a picture or a plain array."""
    return image.known_place or not any(np.allclose(image.affine, default) for default in (PICTURE_AFFINE, np.eye(4)))


def orientation(image: Image) -> str:
    """Direction of each axis of the image in the patient, such as "RAS" or "PL" (see `nibabel.aff2axcodes`).

    The letter names the side that the index grows towards.
    """
    from nibabel.orientations import aff2axcodes

    return "".join(str(code) for code in aff2axcodes(image.affine)[: image.dims])


def lps(affine: Matrix) -> Matrix:
    """The same geometry in the other convention: RAS millimetres to LPS (DICOM, ITK) or back.

    The first two coordinates change sign; indices and their order stay as they are.
    """
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def placed_over(image: Image, grid: Image) -> tuple[Image, str]:
    """The image where it can be compared with `grid`, and a remark if that had to be assumed.

    If one of them has no geometry, their positions in mm mean nothing to each other: the image is then laid
    over the field of view of the grid, edge on edge.
    """
    if same_grid(image, grid):
        return image, ""
    if has_geometry(image) and has_geometry(grid):
        foreign = "frame of reference" in differences(image, grid)
        return image, "has another frame of reference: its header says little about its place" if foreign else ""
    factors = [n / wanted for n, wanted in zip(image.space, grid.space, strict=True)]
    remark = f"has no comparable geometry: its {_size(image)} pixels were laid over the reference's field of view"
    if max(factors) / min(factors) > 1.02:
        remark += f", stretched unequally ({_size(grid)}; the proportions differ)"
    return replace(image, affine=scaled_affine(grid.affine, factors)), remark


def differences(image: Image, grid: Image) -> list[str]:
    """In which respects an image lies elsewhere than a grid, in words; empty if it shares the grid.

    Frames of reference differ only where both images name one.
    """
    if image.dims != grid.dims:
        return ["dimensions"]
    named = image.frame_of_reference and grid.frame_of_reference
    found = ["frame of reference"] if named and image.frame_of_reference != grid.frame_of_reference else []
    if same_grid(image, grid):
        return found
    if image.space != grid.space:
        found.append("size")
    if not np.allclose(image.spacing, grid.spacing, rtol=1e-4, atol=TOLERANCE_MM / max(grid.space)):
        found.append("spacing")
    if orientation(image) != orientation(grid):
        found.append("orientation")
    elif (angle := _angle(image, grid)) > 0.01:
        found.append(f"angle ({angle:.2g} degrees)")
    if not np.allclose(image.affine[:3, 3], grid.affine[:3, 3], atol=TOLERANCE_MM):
        found.append("origin")
    return found or ["position"]


def grid_table(images: Sequence[Image], reference: int) -> str:
    """One row of text per image: size, spacing, orientation, origin, and what differs from the reference."""
    rows = [("image", "size", "spacing mm", "orientation", "origin mm (RAS)", "differs in")]
    for number, image in enumerate(images, start=1):
        is_grid = number - 1 == reference
        rows.append(
            (
                f"{number} {PurePath(image.origin).name}",
                _size(image),
                " x ".join(f"{s:.4g}" for s in image.spacing),
                orientation(image),
                ", ".join(f"{x:.5g}" for x in image.affine[:3, 3] + 0.0),
                "(reference)" if is_grid else ", ".join(differences(image, images[reference])) or "nothing",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _size(image: Image) -> str:
    return "x".join(str(n) for n in image.space)


def _angle(image: Image, grid: Image) -> float:
    """Largest angle in degrees between corresponding axes."""
    axes = [m.affine[:3, : m.dims] / np.array(m.spacing) for m in (image, grid)]
    sines = np.linalg.norm(np.cross(axes[0].T, axes[1].T), axis=1)
    return float(np.degrees(np.arcsin(np.clip(sines, 0, 1))).max())
