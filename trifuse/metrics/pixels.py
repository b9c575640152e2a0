"""The images as metrics see them: float64 grey levels 0..255, with what has been computed from them so far."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trifuse.core.colour import LUMA
from trifuse.core.errors import InputError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
T = TypeVar("T")


class MetricWarning(UserWarning):
    """A metric met a case that its formula leaves open and returned the value that its card states."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Grey levels of one image and a memory of intermediate results, shared by the metrics of one call.

    Attributes:
        values: float64 grey levels 0..255, `(H, W)` or `(X, Y, Z)`; a list of samples `(n,)` under a mask.
        rgb: float64 `(*space, 3)` where the image has colour, else None. `values` is then its luma.
    """

    values: Array
    rgb: Array | None = None
    _memory: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def dims(self) -> int:
        """2 for a slice or picture, 3 for a volume."""
        return self.values.ndim

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make()` returns, computed on the first request for `key` only."""
        if key not in self._memory:
            self._memory[key] = make()
        kept: T = self._memory[key]
        return kept

    def slices(self) -> Iterator[Pixels]:
        """The axial slices of a volume (along its last axis); a picture is its own only slice."""
        if self.dims < 3:
            yield self
            return
        for index in range(self.values.shape[2]):
            rgb = None if self.rgb is None else np.ascontiguousarray(self.rgb[:, :, index])
            yield Pixels(np.ascontiguousarray(self.values[:, :, index]), rgb)

    def channel(self, index: int) -> Pixels:
        """Red, green or blue alone; a grey image is the same in all three."""
        if self.rgb is None:
            return self
        rgb = self.rgb
        return self.once(("channel", index), lambda: Pixels(np.ascontiguousarray(rgb[..., index])))

    def colours(self) -> Pixels:
        """All three channels as one array of values `(*space, 3)`, for metrics that only compare samples."""
        if self.rgb is None:
            return self.once("colours", lambda: Pixels(np.repeat(self.values[..., None], 3, axis=-1)))
        rgb = self.rgb
        return self.once("colours", lambda: Pixels(rgb))

    def alone(self) -> Pixels:
        """The same image with what was computed from it alone, and without what concerns another image too."""

        def own(value: Any) -> Any:
            return value.alone() if isinstance(value, Pixels) and value is not self else value

        def is_own(key: Hashable) -> bool:
            return not (isinstance(key, tuple) and any(isinstance(part, Pixels) for part in key))

        return Pixels(self.values, self.rgb, {key: own(value) for key, value in self._memory.items() if is_own(key)})

    def inside(self, mask: Mask) -> Pixels:
        """The samples under a mask, as a list."""
        return Pixels(self.values[mask])


def pixels_of(image: ArrayLike | Pixels, name: str = "image") -> Pixels:
    """Checks an array and takes it as an image of grey levels 0..255.

    Args:
        image: `(H, W)`, `(X, Y, Z)`, or with a last axis of 3 for RGB; any real number type, values 0..255. Pixels
            are given back as they are.
        name: what the array is, for messages.

    Raises:
        InputError: wrong type or shape, empty, values that are not finite, outside 0..255, or that look like 0..1.
    """
    if isinstance(image, Pixels):
        return image
    array = np.asarray(image)
    if array.dtype.kind not in "uif":
        raise InputError(f"{name}: values of type {array.dtype} are not grey levels; give real numbers 0..255")
    coloured = array.ndim in (3, 4) and array.shape[-1] == 3
    space = array.shape[:-1] if coloured else array.shape
    if len(space) not in (2, 3) or 0 in space:
        raise InputError(
            f"{name}: shape {array.shape} is no image; give (H, W), (X, Y, Z) or either with a last axis of 3"
        )
    values = np.ascontiguousarray(array, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{name}: holds NaN or infinite values; replace them before measuring")
    if low < -1e-6 or high > 255 + 1e-6:
        raise InputError(f"{name}: values {low:g}..{high:g} leave 0..255; rescale them to grey levels 0..255")
    if array.dtype.kind == "f" and high <= 1 and not np.array_equal(values, np.rint(values)):
        raise InputError(f"{name}: values {low:g}..{high:g} look like 0..1; multiply them by 255")
    if not coloured:
        return Pixels(values)
    return Pixels(luma(values), values)


def luma(rgb: Array) -> Array:
    """Grey levels of RGB `(..., 3)`: rint(0.299 R + 0.587 G + 0.114 B), halves to even."""
    red, green, blue = LUMA
    return np.rint(red * rgb[..., 0] + green * rgb[..., 1] + blue * rgb[..., 2])


def stretched(pixels: Pixels) -> Pixels:
    """The image on the whole range: floor((x - min)/(max - min) 255 + 0.5); a constant image becomes 0."""
    return pixels.once("stretched", lambda: _stretched(pixels))


def _stretched(pixels: Pixels) -> Pixels:
    low, high = float(pixels.values.min()), float(pixels.values.max())
    if low == high:
        return Pixels(np.zeros_like(pixels.values))
    values = np.floor((pixels.values - low) / (high - low) * 255 + 0.5)
    return pixels if np.array_equal(values, pixels.values) else Pixels(values)
