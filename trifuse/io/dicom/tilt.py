"""Slices of a tilted gantry: stacked askew to their normal, and moved within their planes until they stand upright.

Every slice is shifted along its rows and columns by linear interpolation, so that the volume's
third axis becomes their normal; the planes grow by as much as the shifts need, and nothing is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class Shear:
    """How far each slice lies beside the one before, in pixels along columns' and rows' index."""

    columns: float
    rows: float

    def origin(self, count: int) -> tuple[float, float]:
        """Where the upright volume of so many slices begins, in pixels of the first slice: 0 or less."""
        return min(0.0, self.columns * (count - 1)), min(0.0, self.rows * (count - 1))

    def upright(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values `(C, columns, rows, slices)` on the upright grid, larger; what no slice shows is masked."""
        count = values.shape[-1]
        start = self.origin(count)
        grown = [int(np.ceil(abs(step) * (count - 1) - 1e-9)) for step in (self.columns, self.rows)]
        shape = (values.shape[0], values.shape[1] + grown[0], values.shape[2] + grown[1], count)
        made = np.full(shape, np.nan, dtype=np.result_type(values.dtype, np.float32))
        for channel, index in np.ndindex(values.shape[0], count):
            plane = np.ma.filled(values[channel, ..., index].astype(made.dtype), np.nan)
            padded = np.pad(plane, [(0, grown[0]), (0, grown[1])], constant_values=np.nan)
            beside = (self.columns * index - start[0], self.rows * index - start[1])
            made[channel, ..., index] = _shifted(padded, beside)
        return np.ma.masked_invalid(made)


def _shifted(plane: NDArray[Any], by: tuple[float, float]) -> NDArray[Any]:
    """A plane shifted linearly; where only one of the neighbours is known, it stands alone."""
    known = np.isfinite(plane)
    weight = ndimage.shift(known.astype(plane.dtype), by, order=1, cval=0)
    summed = ndimage.shift(np.where(known, plane, 0), by, order=1, cval=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved: NDArray[Any] = np.where(weight > 0.5 - 1e-6, summed / weight, np.nan)
    return moved
