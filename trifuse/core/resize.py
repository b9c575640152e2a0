"""The field's two bicubics.

- `pillow`: Keys kernel a = -0.5, antialiased when shrinking, weights normalised inside the image: what
  SR3 and TFS-Diff prepare their data with. On uint8 pixels each pass is rounded, as in Pillow itself.
- `matlab`: the same kernel in float64 with pixels mirrored outside the image: `imresize` of MATLAB, and
  with `border="zeros"` the defaults of the Python package ResizeRight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow


def pillow(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Pillow's bicubic of `(C, H, W)` pixels to `size` = (height, width).

    uint8 goes through Pillow's 8-bit path (rounded after each pass, bit-exact to the originals' data
    preparation); floats through its float32 path, unrounded and not clipped.
    """
    height, width = size
    channels = []
    for channel in pixels:
        plane = channel if channel.dtype == np.uint8 else channel.astype(np.float32)
        resized = Pillow.fromarray(plane).resize((width, height), Pillow.Resampling.BICUBIC)
        channels.append(np.asarray(resized))
    return np.stack(channels)


def magnified(pixels: NDArray[Any], scale: int) -> NDArray[Any]:
    """Pillow's bicubic magnification of `(C, H, W)`; volumes `(C, X, Y, Z)` plane by plane along each axis."""
    if scale == 1:
        return pixels
    if pixels.ndim == 3:
        return pillow(pixels, (pixels.shape[1] * scale, pixels.shape[2] * scale))
    channels, first, second, third = pixels.shape
    planes = pillow(pixels.reshape(-1, second, third), (second * scale, third * scale))
    whole = pillow(planes.reshape(channels, first, -1), (first * scale, planes.shape[1] * planes.shape[2]))
    return whole.reshape(channels, first * scale, second * scale, third * scale)


def square(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """`(C, H, W)` pixels as SR3's data preparation brings them to `side`: short side resized, long side cropped.

    As published, pixels that are `side` wide already are returned as they are, whatever their height.
    """
    height, width = pixels.shape[1:]
    if width == side:
        return pixels
    short = min(height, width)
    size = (int(side * height / short), int(side * width / short))
    resized = pixels if short == side else pillow(pixels, size)
    top, left = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return resized[:, top : top + side, left : left + side]


EPSILON = float(np.finfo(np.float32).eps)
"""Slack with which a tap on the very edge of the support counts as inside; also guards quotients."""


class Kernel(NamedTuple):
    """An interpolation kernel: its support in pixels and its values."""

    support: float
    values: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _cubic(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic, a = -0.5 (IEEE TASSP 29(6), 1981)."""
    t = np.abs(t)
    near, far = (1.5 * t - 2.5) * t**2 + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0))


def _linear(t: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.clip(1 - np.abs(t), 0, None)
    return values


def _lanczos3(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sinc windowed by its first three lobes; both programs add EPSILON above and below against 0/0."""
    above, below = np.sin(np.pi * t) * np.sin(np.pi * t / 3), np.pi**2 * t**2 / 3
    return np.where(np.abs(t) < 3, (above + EPSILON) / (below + EPSILON), 0)


KERNELS = {"cubic": Kernel(4, _cubic), "linear": Kernel(2, _linear), "lanczos3": Kernel(6, _lanczos3)}
"""Interpolation kernels of `matlab` by name."""


def matlab(
    pixels: NDArray[Any],
    scale: float | tuple[float, float] | None = None,
    *,
    size: tuple[int, int] | None = None,
    kernel: Literal["cubic", "linear", "lanczos3"] = "cubic",
    border: Literal["mirror", "zeros"] = "mirror",
    antialias: bool = True,
    centred: bool = False,
) -> NDArray[np.float64]:
    """MATLAB's `imresize` of `(..., H, W)` pixels, in float64, not clipped.

    Args:
        pixels: any real dtype.
        scale: magnification, one or one per axis; the new size is `ceil(scale * size)`.
        size: new (height, width) instead of a scale.
        kernel: interpolation kernel.
        border: "mirror" repeats pixels outside in mirrored order (MATLAB); "zeros" takes 0 there (ResizeRight).
        antialias: widen the kernel when shrinking.
        centred: where `scale * size` is no integer, centre the new grid on the old (ResizeRight) instead of letting
            the first pixel edges coincide (MATLAB).

    Raises:
        ValueError: unless exactly one of `scale` and `size` is given.
    """
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    old = pixels.shape[-2:]
    if size is not None:
        scales, new = tuple(m / n for m, n in zip(size, old, strict=True)), size
    else:
        pair = scale if isinstance(scale, tuple) else (scale, scale)
        scales = tuple(float(s) for s in pair if s is not None)
        new = (int(np.ceil(scales[0] * old[0])), int(np.ceil(scales[1] * old[1])))
    resized = np.asarray(pixels, dtype=np.float64)
    for axis in np.argsort(scales, kind="stable"):
        positions = _positions(old[axis], new[axis], scales[axis], centred)
        taps, weights = _taps(positions, KERNELS[kernel], min(scales[axis], 1.0) if antialias else 1.0)
        n = old[axis]
        if border == "zeros":
            weights = np.where((taps >= 0) & (taps < n), weights, 0)
        mirrored = np.minimum(taps % (2 * n), 2 * n - 1 - taps % (2 * n))
        moved = np.moveaxis(resized, axis - 2, -1)
        resized = np.moveaxis(np.einsum("...ot,ot->...o", moved[..., mirrored], weights), -1, axis - 2)
    return np.ascontiguousarray(resized)


def _positions(old: int, new: int, scale: float, centred: bool) -> NDArray[np.float64]:
    """Where the new pixel centres lie in old pixels."""
    index = np.arange(new, dtype=np.float64)
    if centred:
        return index / scale + (old - 1) / 2 - (new - 1) / (2 * scale)
    return (index + 0.5) / scale - 0.5


def _taps(
    positions: NDArray[np.float64], kernel: Kernel, shrink: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Old pixels (which may lie outside) under each new one, and their weights, which sum to 1."""
    support = kernel.support / shrink
    first = np.ceil(positions - support / 2 - EPSILON).astype(np.int64)
    taps = first[:, None] + np.arange(int(np.ceil(support - EPSILON)))
    weights = kernel.values(shrink * (positions[:, None] - taps))
    weights /= weights.sum(axis=1)[:, None]
    return taps, weights
