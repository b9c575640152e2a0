"""Frames that their headers place one behind the other, as a volume; highdicom judges whether they form one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.core.image import Image
from trifuse.core.progress import track
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom import header as headers
from trifuse.io.dicom.dynamic import over_time, time_points
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

_ORIENTATION_TOLERANCE = 1e-4
"""Largest difference between the direction cosines of slices that count as parallel (0.006 degrees)."""


def stacked(flat: Sequence[Dataset], native: Callable[[int], NDArray[Any]], request: Request) -> Image:
    """Volume of frames that their headers place at equal distances along their common normal.

    Of a dynamic series, the time point that the request chooses, or their mean.

    Args:
        flat: header of each frame (see `frame_header`), in any order.
        native: native values `(C, rows, columns)` of frame i.

    Raises:
        InputError: if the frames form no volume, or several over time of which none is chosen.
    """

    def volume(numbers: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        order, affine = volume_order([flat[number] for number in numbers], request.origin)
        planes = [native(numbers[index]) for index in track(order, "slices")]
        return np.stack(planes, axis=-1).swapaxes(1, 2), affine

    points = time_points(flat)
    if len(points) > 1:
        return over_time(points, flat, volume, request)
    order, _ = volume_order(flat, request.origin)
    return headers.as_image(*volume(range(len(flat))), flat[order[len(order) // 2]], request)


def volume_order(flat: Sequence[Dataset], origin: str) -> tuple[list[int], NDArray[np.float64]]:
    """Frame numbers in ascending order along the normal, and the affine (column, row, slice) -> RAS.

    Raises:
        InputError: if frames are unplaced, turned or sized differently, doubled, tilted or unevenly spaced.
    """
    from highdicom.spatial import get_volume_positions

    if not all(headers.is_placed(header) for header in flat):
        raise InputError(
            f"{origin}: slices without position, orientation or pixel spacing form no volume; give one file"
        )
    cosines = np.array([header.ImageOrientationPatient for header in flat], dtype=np.float64)
    spacings = np.array([header.PixelSpacing for header in flat], dtype=np.float64)
    if np.ptp(cosines, axis=0).max() > _ORIENTATION_TOLERANCE:
        raise InputError(f"{origin}: the slices are not parallel (a localizer?); keep one orientation in the folder")
    if not np.allclose(spacings, spacings[0], rtol=1e-4):
        raise InputError(f"{origin}: the slices have different pixel spacings; keep one series in the folder")
    positions = np.array([header.ImagePositionPatient for header in flat], dtype=np.float64)
    _, places = get_volume_positions(positions, cosines[0], index_convention="RD")
    if places is None:
        raise InputError(f"{origin}: {_why_no_volume(positions, headers.plane_normal(flat[0]))}")
    order = [int(index) for index in np.argsort(places)]
    lps = np.eye(4)
    step = (positions[order[-1]] - positions[order[0]]) / (len(order) - 1)
    lps[:3] = np.stack([*headers.in_plane_axes(flat[0]), step, positions[order[0]]], axis=1)
    return order, LPS_TO_RAS @ lps


def _why_no_volume(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> str:
    heights = positions @ normal
    order = np.argsort(heights)
    distances = np.diff(heights[order])
    if distances.min() < 1e-3:
        return (
            f"{int((distances < 1e-3).sum()) + 1} slices lie at the same place (echoes, time points or copies); "
            "keep one of each place in the folder, or choose one with frame="
        )
    across = positions[order[-1]] - positions[order[0]]
    angle = np.degrees(np.arccos(np.clip(across @ normal / np.linalg.norm(across), -1, 1)))
    if angle > 2:
        return (
            f"the slices are stacked at {angle:.1f} degrees to their normal (gantry tilt); straighten the series first"
        )
    return (
        f"the slice distances vary from {distances.min():.2f} to {distances.max():.2f} mm (slices are missing?); "
        "complete the series, or resample it"
    )
