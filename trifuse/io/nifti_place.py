"""Where a NIfTI lies: the two affines of its header, which may disagree, and which of them counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import brief

Matrix = NDArray[np.float64]

_TO_MM = {"meter": 1e3, "micron": 1e-3}


def place(loaded: Any) -> tuple[Matrix, tuple[str, ...]]:
    """Affine to RAS millimetres of a nibabel image, and notes of what had to be decided.

    The sform counts if its code is set and it is an affine, else the qform, else voxels of the header's size centred
    on the origin. An sform that is none, and two that place a corner more than a voxel apart, are noted.
    """
    affine = np.array(loaded.affine, dtype=np.float64) if loaded.affine is not None else np.eye(4)
    header = loaded.header
    if "sform_code" not in header:
        return affine, ()
    sform, qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    second, fault = _qform(header) if qform else (None, "")
    notes: tuple[str, ...] = (f"its qform is none ({fault}): not used",) if sform and fault else ()
    if not sform and not qform:
        notes = ("header without sform and qform: orientation is a guess",)
    elif sform and second is not None and not _is_affine(affine):
        affine, notes = second, ("its sform is no affine (singular): the qform is taken",)
    elif sform and second is not None:
        apart = _apart(affine, second, loaded.shape)
        if apart > np.linalg.norm(affine[:3, :3], axis=0).max():
            notes = (f"sform and qform of its header place a corner {apart:.3g} mm apart: the sform is taken",)
    elif sform and not qform and (told := _other_voxels(affine, header)):
        notes = (*notes, told)
    affine[:3] *= _TO_MM.get(header.get_xyzt_units()[0], 1.0)
    return affine, notes


def is_told(loaded: Any) -> bool:
    """Whether the header says outright where the image lies, by a set code or in a format that always does."""
    header = loaded.header
    if "sform_code" in header:
        return int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    return "goodRASFlag" in header and int(header["goodRASFlag"]) > 0


def _qform(header: Any) -> tuple[Matrix | None, str]:
    try:
        found = np.array(header.get_qform(), dtype=np.float64)
    except Exception as error:  # nibabel refuses impossible quaternions in ways of its own
        return None, brief(error)
    return (found, "") if _is_affine(found) else (None, "singular")


def _other_voxels(affine: Matrix, header: Any) -> str:
    """A note where the header names voxels of another size than its sform makes them."""
    dims = min(3, int(header["dim"][0]))
    named, made = (np.array(header["pixdim"][1 : dims + 1], float), np.linalg.norm(affine[:3, :dims], axis=0))
    if not np.isfinite(named).all() or np.allclose(np.abs(named), made, rtol=0.01):
        return ""
    sizes = [" x ".join(f"{size:.4g}" for size in each) for each in (np.abs(named), made)]
    return f"its header names voxels of {sizes[0]} mm, its sform makes them {sizes[1]} mm: the sform is taken"


def _is_affine(matrix: Matrix) -> bool:
    return bool(np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) >= 1e-12)


def _apart(first: Matrix, second: Matrix, shape: tuple[int, ...]) -> float:
    """Largest distance between the places that two affines give to a corner, in the unit of the header."""
    sides = (*shape[:3], 1, 1)[:3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in sides])).reshape(3, -1)
    shift = (first - second)[:3, :3] @ corners + (first - second)[:3, 3:]
    return float(np.linalg.norm(shift, axis=0).max())
