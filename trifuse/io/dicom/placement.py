"""Where a frame says it lies: numbers that can be none are refused by name, rounded direction cosines made straight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line

if TYPE_CHECKING:
    from pydicom import Dataset

_COUNTS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}

_EXACT = 1e-5
"""Cosines that deviate less from unit length and right angles stay as they are."""

_SKEW_DEGREES = 2.0
"""Rows and columns that stand further from a right angle were not merely rounded."""


def settle(header: Dataset, origin: str) -> float:
    """Checks position, orientation and pixel spacing, and makes rounded cosines unit vectors at right angles.

    A pixel spacing that is not positive counts as none where the header tells no position.

    Args:
        header: of one frame (see `frame_header`); its orientation is replaced where it was rounded.
        origin: the file, for messages.

    Returns:
        How far that moves an edge of the frame, in mm.

    Raises:
        InputError: if an attribute holds another count of numbers than it must, or what cannot be.
    """
    for keyword, count in _COUNTS.items():
        if header.get(keyword):
            _check_numbers(header, keyword, count, origin)
    spacing = header.get("PixelSpacing")
    if spacing and not min(float(step) for step in spacing) > 0:
        if header.get("ImagePositionPatient"):
            raise InputError(f"{origin}: its PixelSpacing {_shown(spacing)} is no distance; mend it, or export it anew")
        del header.PixelSpacing
    if not header.get("ImageOrientationPatient"):
        return 0.0
    told = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    straight = _straight(told, origin)
    if float(np.abs(straight - told).max()) <= _EXACT:
        return 0.0
    del header.ImageOrientationPatient  # the element itself belongs to the object
    header.ImageOrientationPatient = [float(cosine) for cosine in straight.ravel()]
    steps = [float(step) for step in header.get("PixelSpacing") or (1, 1)]
    sides = np.array([int(header.Columns) * steps[1], int(header.Rows) * steps[0]])
    return float((np.linalg.norm(straight - told, axis=1) * sides).max())


def _check_numbers(header: Dataset, keyword: str, count: int, origin: str) -> None:
    value: Any = header[keyword].value
    numbers = np.atleast_1d(np.array(value, dtype=np.float64))
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(
            f"{origin}: its {keyword} is {_shown(value)}, where {count} numbers are needed; mend it, or export it anew"
        )


def _straight(told: NDArray[np.float64], origin: str) -> NDArray[np.float64]:
    """Unit vectors at right angles nearest to two cosines `(2, 3)`."""
    lengths = np.linalg.norm(told, axis=1)
    if lengths.min() < 0.5 or lengths.max() > 1.5:
        raise InputError(
            f"{origin}: its ImageOrientationPatient {_shown(told.ravel())} holds no directions; mend it, or export it "
            "anew"
        )
    along, down = told / lengths[:, None]
    skew = 90 - float(np.degrees(np.arccos(np.clip(along @ down, -1, 1))))
    if abs(skew) > _SKEW_DEGREES:
        raise InputError(
            f"{origin}: its rows and columns stand at {90 - skew:.1f} degrees to each other "
            "(ImageOrientationPatient), which no pixels do; mend it, or export it anew"
        )
    middle, across = along + down, along - down
    middle, across = middle / np.linalg.norm(middle), across / np.linalg.norm(across)
    straight: NDArray[np.float64] = np.stack([middle + across, middle - across]) / np.sqrt(2)
    return straight


def _shown(value: Any) -> str:
    return one_line("\\".join(f"{float(one):g}" for one in np.atleast_1d(np.array(value, dtype=np.float64))))
