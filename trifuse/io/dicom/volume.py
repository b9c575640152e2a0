"""Slices as a volume: in which order, at which even steps, and when they are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom import header as headers
from trifuse.io.dicom.tilt import Shear

if TYPE_CHECKING:
    from pydicom import Dataset

_EVEN_MM = 1e-3
"""Slices that deviate less from even steps need no remark."""

_ROUNDED = 0.1
_ROUNDED_MM = 0.06
"""How far slices may deviate from even steps, as a share of the step, or by numbers rounded to a tenth."""

_TILT_DEGREES = 2.0
_STEEPEST_DEGREES = 45.0
_STRAIGHT_DEGREES = 0.05


@dataclass(frozen=True)
class Stacking:
    """How slices form a volume.

    Attributes:
        order: slice numbers in ascending order along the normal.
        affine: (column, row, slice) -> RAS.
        notes: what was taken as even that is not quite so.
        heights: place of every slice along the normal in steps of the affine where it is to be resampled onto even
            slices; None where the slices are even already.
        shear: how slices of a tilted gantry are moved until they stand upright; None where they do.
    """

    order: list[int]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    heights: NDArray[np.float64] | None = None
    shear: Shear | None = None

    def even(self, planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Planes `(C, rows, columns)` in this order as an even, upright volume `(C, columns, rows, slices)`."""
        values = self._even(planes)
        return values if self.shear is None else self.shear.upright(values)

    def _even(self, planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
        stack = np.ma.stack if any(isinstance(plane, np.ma.MaskedArray) for plane in planes) else np.stack
        values: NDArray[Any] = stack(planes, axis=-1).swapaxes(1, 2)
        if self.heights is None:
            return values
        wanted = np.arange(round(float(self.heights[-1])) + 1)
        below = np.clip(np.searchsorted(self.heights, wanted, side="right") - 1, 0, len(self.heights) - 2)
        share = (wanted - self.heights[below]) / np.diff(self.heights)[below]
        mixed: NDArray[Any] = values[..., below] * (1 - share) + values[..., below + 1] * share
        return mixed


def stacking(flat: Sequence[Dataset], origin: str, *, allow_gaps: bool = False) -> Stacking:
    """How slices of one orientation, size and pixel spacing form a volume.

    Positions and cosines that an exporter has rounded are judged in mm against a straight line through all slices.

    Args:
        flat: header of each slice (see `frame_header`), in any order; two or more.
        allow_gaps: whether uneven slices are resampled onto even ones.

    Raises:
        InputError: if slices are doubled, unevenly spaced, or stacked along their own planes.
    """
    positions = np.array([header.ImagePositionPatient for header in flat], dtype=np.float64)
    cosines = np.mean([header.ImageOrientationPatient for header in flat], axis=0).reshape(2, 3)
    normal = np.cross(*cosines)
    normal /= np.linalg.norm(normal)
    heights = positions @ normal
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    placed, steps = positions[order], np.diff(heights[order])
    if steps.min() < 1e-3:
        raise InputError(
            f"{origin}: {int((steps < 1e-3).sum()) + 1} slices lie at the same place and nothing tells them apart "
            "(echoes, time points or copies); keep one of each place in the folder"
        )
    tilt = _tilt(placed[-1] - placed[0], normal)
    if tilt > _STEEPEST_DEGREES:
        raise InputError(
            f"{origin}: the slices are stacked at {tilt:.1f} degrees to their normal, which no gantry tilts by; "
            "check their positions, or give a single slice"
        )
    first, step, off = _line(placed)
    length = float(np.linalg.norm(step))
    notes = []
    if off > min(0.2 * length, max(_ROUNDED_MM, _ROUNDED * length)):
        if not allow_gaps:
            raise InputError(
                f"{origin}: the slice distances vary from {steps.min():.2f} to {steps.max():.2f} mm (slices are "
                "missing?); complete the series, or resample it onto even slices with --allow-gaps (allow_gaps= in "
                "Python)"
            )
        return _straight(_resampling(order, placed, heights[order], flat), tilt)
    if off > _EVEN_MM:
        notes.append(f"slices lie up to {off:.2g} mm off even steps of {length:.4g} mm: taken as even")
    if _STRAIGHT_DEGREES < tilt <= _TILT_DEGREES:
        notes.append(f"slices are stacked at {tilt:.2g} degrees to their normal: kept")
    turned = _turn_mm(flat, cosines)
    if turned > _EVEN_MM * 10:
        notes.append(f"slices are turned against each other by up to {turned:.2g} mm at their edges: taken as parallel")
    return _straight(Stacking(order, _affine(flat[order[0]], cosines, step, first), tuple(notes)), tilt)


def _straight(stack: Stacking, tilt: float) -> Stacking:
    """The slices of a tilted gantry made to stand upright, with a note; others as they are."""
    if tilt <= _TILT_DEGREES:
        return stack
    across, along, askew = stack.affine[:3, :3].T
    count = len(stack.order) if stack.heights is None else round(float(stack.heights[-1])) + 1
    shear = Shear(float(askew @ across / (across @ across)), float(askew @ along / (along @ along)))
    affine, start = stack.affine.copy(), shear.origin(count)
    affine[:3, 2] = askew - shear.columns * across - shear.rows * along
    affine[:3, 3] += start[0] * across + start[1] * along
    most = float(np.linalg.norm(shear.columns * across + shear.rows * along)) * (count - 1)
    note = (
        f"slices are stacked at {tilt:.1f} degrees to their normal (gantry tilt): resampled onto upright ones, "
        f"shifted by up to {most:.1f} mm within their planes"
    )
    return replace(stack, affine=affine, notes=(*stack.notes, note), shear=shear)


def _line(placed: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Straight line through the positions: its start, its step, and how far a slice lies from it at most (mm).

    The line through the first and the last slice where that fits, since it gives exact positions back.
    """
    count = len(placed)
    numbers = np.arange(count)[:, None]
    first, step = placed[0], (placed[-1] - placed[0]) / (count - 1)
    off = float(np.abs(first + numbers * step - placed).max())
    if off > _EVEN_MM:
        slope, start = np.polyfit(np.arange(count), placed, 1)
        fitted = float(np.linalg.norm(start + numbers * slope - placed, axis=1).max())
        first, step, off = start, slope, fitted
    return first, step, off


def _resampling(
    order: list[int], placed: NDArray[np.float64], heights: NDArray[np.float64], flat: Sequence[Dataset]
) -> Stacking:
    """Even slices at the usual distance of uneven ones, from the first to the last."""
    usual, total = float(np.median(np.diff(heights))), float(heights[-1] - heights[0])
    count = max(2, round(total / usual) + 1)
    step = (placed[-1] - placed[0]) / (count - 1)
    cosines = np.mean([header.ImageOrientationPatient for header in flat], axis=0).reshape(2, 3)
    widest = float(np.diff(heights).max())
    note = (
        f"{len(order)} uneven slices (up to {widest:.2f} mm apart) resampled onto {count} even ones "
        f"{total / (count - 1):.4g} mm apart: what lies in the gaps is interpolated"
    )
    where = (heights - heights[0]) / total * (count - 1)
    return Stacking(order, _affine(flat[order[0]], cosines, step, placed[0]), (note,), where)


def _affine(
    header: Dataset, cosines: NDArray[np.float64], step: NDArray[np.float64], first: NDArray[np.float64]
) -> NDArray[np.float64]:
    between_rows, between_columns = (float(v) for v in header.PixelSpacing)
    lps = np.eye(4)
    lps[:3] = np.stack([cosines[0] * between_columns, cosines[1] * between_rows, step, first], axis=1)
    affine: NDArray[np.float64] = LPS_TO_RAS @ lps
    return affine


def _tilt(across: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Degrees between the way from the first slice to the last and the normal."""
    cosine = np.clip(across @ normal / np.linalg.norm(across), -1, 1)
    return float(np.degrees(np.arccos(cosine)))


def _turn_mm(flat: Sequence[Dataset], cosines: NDArray[np.float64]) -> float:
    """How far slices lie from parallel at their edges."""
    return max(headers.turned_mm(header, cosines) for header in flat)
