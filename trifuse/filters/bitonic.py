r"""The bitonic X filter: smooths away what is too small for a rank opening and closing, keeps edges and lines.

Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021). The steps, for thresholds on the image's own grey scale:

1. the structure tensor of the image I, extent g = 1.2 f;
2. the guide S, I smoothed by the anisotropic Gaussian, threshold 3t;
3. opening O and closing C over masks of pixels that resemble each other in S and I;
4. their errors I - O and C - I smoothed alike, threshold 1.4t: \(E_O, E_C\);
5. \((w_O (C - E_C) + w_C (O + E_O)) / (w_O + w_C)\), \(w = |E|^3\): the smaller error has the larger say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.filters.anisotropic import AnisotropicGaussian
from trifuse.filters.noise_estimate import noise_estimate
from trifuse.filters.range_mask import MaskRule
from trifuse.filters.rank_opening import Stack, range_opening
from trifuse.filters.structure_tensor import Plane, StructureTensor, structure_tensor

Noise = Literal["additive", "sensor"]

ALPHA = 0.6
GAUSSIAN_PER_HALF_WIDTH = 1.2
CORNER_SHARE = 0.45
HALF_WIDTHS = (3, 15)
BYTE_FACTOR = 3
"""uint8 images are filtered as integers three times as large, for finer rounding."""


@dataclass(frozen=True)
class Bitonic:
    """Settings of the filter.

    Attributes:
        threshold: noise level t in grey levels of the image; None = four deviations of the estimated noise.
            An `int` is reckoned with as the original does with integers: 1.4t is rounded.
        half_width: f of the square windows in pixels; None = as the threshold suggests, 3..15.
        centile: share in percent that opening and closing may remove, 0..50.
        noise: "additive", or "sensor" for pictures of a camera (noise grows with light, and is smoothed).
    """

    threshold: int | float | None = None
    half_width: int | None = None
    centile: float = 8.0
    noise: Noise = "additive"


class BitonicLayers(NamedTuple):
    """What the filter makes on its way; images as (C, H, W) on the scale it works on (uint8: times three).

    Attributes:
        filtered: the result, of the shape and dtype of the input.
        threshold: t used, on the input's scale.
        half_width: f used.
        tensor: the structure tensor.
        guide: (H, W), the smoothed image S.
        opened, closed: O and C.
        error_open, error_close: the smoothed errors.
    """

    filtered: NDArray[Any]
    threshold: float
    half_width: int
    tensor: StructureTensor
    guide: Plane
    opened: Stack
    closed: Stack
    error_open: Stack
    error_close: Stack


def bitonic(image: NDArray[Any], settings: Bitonic | None = None) -> NDArray[Any]:
    """The filtered image: float (presumed range 0..1), uint8 or int32, (H, W) or (H, W, C), C = 3 or 4.

    Images smaller than the window in one direction (2f + 1) come back as they are.
    """
    return bitonic_layers(image, settings).filtered


def bitonic_layers(image: NDArray[Any], settings: Bitonic | None = None) -> BitonicLayers:
    """The filter with all that it makes on its way; see `bitonic`."""
    settings = settings or Bitonic()
    stack = _stack(image)
    integer = image.dtype.kind in "iu"
    grey_range = grey_range_of(image)
    threshold = settings.threshold
    if threshold is None:
        threshold = automatic_threshold(stack, grey_range, settings.noise, integer=integer)
    half_width = settings.half_width
    if half_width is None:
        half_width = automatic_half_width(threshold, grey_range, settings.noise, len(stack))
    factor = BYTE_FACTOR if image.dtype == np.uint8 else 1
    rule = MaskRule(half_width, threshold * factor, integer=integer)
    layers = _filter(stack * factor, rule, settings, corner=threshold < CORNER_SHARE * grey_range)
    filtered = _unstack(layers.filtered / factor, image)
    return layers._replace(filtered=filtered, threshold=threshold, half_width=half_width)


def grey_range_of(image: NDArray[Any]) -> float:
    """The presumed range of grey levels: 1 for floats, 255 for uint8, what is there for other integers."""
    if image.dtype.kind == "f":
        return 1.0
    return 255.0 if image.dtype == np.uint8 else float(image.max() - image.min())


def automatic_threshold(stack: Stack, grey_range: float, noise: Noise = "additive", *, integer: bool = False) -> float:
    r"""t of an image (C, H, W): four (sensor: 5.5) deviations of its noise, less when there is little of it.

    \(t \leftarrow t (1 - 0.75 e^{-12 t/R})\).
    """
    if noise == "sensor":
        threshold = 5.5 * noise_estimate(stack, skip=1 if len(stack) == 4 else 2, integer=integer)[0]
    else:
        threshold = 4 * noise_estimate(stack, integer=integer)[0]
    if grey_range == 0:
        return threshold
    return threshold * (1 - 0.75 * float(np.exp(-12 * threshold / grey_range)))


def automatic_half_width(threshold: float, grey_range: float, noise: Noise = "additive", channels: int = 1) -> int:
    r"""\(f = \operatorname{round}(2.5 + 2\log_2((t/R)/0.02))\), within 3..15: more noise, larger windows."""
    share = threshold / grey_range if grey_range else 0.0
    least = 0.02
    if noise == "sensor":
        share, least = share * 4 / 5.5, 0.071 if channels == 4 else 0.05
    if not share > 0:
        return HALF_WIDTHS[0]
    width = int(np.floor(2.5 + 2.0 * np.log2(share / least) + 0.5))
    return min(max(width, HALF_WIDTHS[0]), HALF_WIDTHS[1])


def _filter(stack: Stack, rule: MaskRule, settings: Bitonic, *, corner: bool) -> BitonicLayers:
    rounded = _half_away if rule.integer else _as_is
    grey = stack.mean(axis=0) if len(stack) > 1 else stack[0]
    extent = GAUSSIAN_PER_HALF_WIDTH * rule.half_width
    tensor = structure_tensor(grey, extent, corner=corner)
    smooth = AnisotropicGaussian(extent, ALPHA, tensor)
    guide = rounded(smooth(grey, threshold=3 * rule.threshold * np.sqrt(len(stack))))
    opened, closed = range_opening(stack, rounded(grey), guide, rule, settings.centile)
    threshold = 1.4 * rule.threshold
    if isinstance(settings.threshold, int):
        threshold = float(np.floor(threshold + 0.5))
    linear = settings.noise == "sensor" and len(stack) == 3
    image, lower, upper = stack, opened, closed
    if linear:
        image, lower, upper, threshold = _to_linear(stack), _to_linear(opened), _to_linear(closed), 0.0
    if rule.fits(grey.shape):
        errors = smooth(np.concatenate([image - lower, upper - image]), threshold=threshold)
    else:
        errors = np.zeros((2 * len(stack), *grey.shape))
    error_open, error_close = errors[: len(stack)], errors[len(stack) :]
    filtered = _combined(lower + error_open, upper - error_close, error_open, error_close)
    return BitonicLayers(
        filtered=_from_linear(filtered) if linear else filtered,
        threshold=rule.threshold,
        half_width=rule.half_width,
        tensor=tensor,
        guide=guide,
        opened=opened,
        closed=closed,
        error_open=error_open,
        error_close=error_close,
    )


def _combined(opened: Stack, closed: Stack, error_open: Stack, error_close: Stack) -> Stack:
    weight_open, weight_close = np.abs(error_open**3), np.abs(error_close**3)
    total = weight_open + weight_close
    neither = total == 0
    weight_open[neither] = weight_close[neither] = 0.5
    total[neither] = 1.0
    combined: Stack = (weight_open * closed + weight_close * opened) / total
    return combined


def _stack(image: NDArray[Any]) -> Stack:
    channels_first = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    return np.ascontiguousarray(channels_first, dtype=np.float64)


def _unstack(stack: Stack, image: NDArray[Any]) -> NDArray[Any]:
    """Back to the shape and dtype of the input."""
    pixels = stack[0] if image.ndim == 2 else np.moveaxis(stack, 0, -1)
    if image.dtype.kind == "f":
        return pixels.astype(image.dtype, copy=False)
    limits = np.iinfo(image.dtype)
    return np.clip(_half_away(pixels), limits.min, limits.max).astype(image.dtype)


def _half_away(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return rounded


def _as_is(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def _to_linear(values: Stack) -> Stack:
    """Linear light of sRGB values."""
    curved = ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4
    linear: Stack = np.where(values < 12.92 * 0.0031308, values / 12.92, curved)
    return linear


def _from_linear(values: Stack) -> Stack:
    """sRGB values of linear light."""
    curved = 1.055 * np.maximum(values, 0) ** (1 / 2.4) - 0.055
    display: Stack = np.where(values < 0.0031308, 12.92 * values, curved)
    return display
