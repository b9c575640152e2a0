"""Fields of gradients: mixing those of several images, and the image whose gradients come nearest to a field.

Gradients are forward differences, 0 beyond the last sample. Loops are compiled and see pictures as volumes of one
slice, `(1, H, W)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import correlate1d

from trifuse.core.compiled import compiled, compiled_part
from trifuse.filters.threads import over_parts, threads

Volume = NDArray[np.float32]
"""`(D, H, W)` or several of them stacked, float32; a picture has D = 1."""

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def energy(x: Volume) -> Volume:
    """Squared lengths of the gradients of `(D, H, W)`, smoothed by (1, 4, 6, 4, 1)/16 along every axis."""
    squares = np.zeros_like(x)
    over_parts(_squared, x.shape[0] * x.shape[1], x, squares)
    for axis, n in enumerate(x.shape):
        if n > 1:
            squares = correlate1d(squares, BINOMIAL, axis=axis, mode="nearest")
    return squares


def mixed(sources: Volume, weights: Volume) -> Volume:
    """Gradients `(3, D, H, W)` of `(N, D, H, W)`, added up with weights `(N, D, H, W)`."""
    field = np.zeros((3, *sources.shape[1:]), np.float32)
    over_parts(_mix, sources.shape[1] * sources.shape[2], sources, weights, field)
    return field


@compiled()
def _squared(x, squares, first, last):  # type: ignore[no-untyped-def]
    depth, height, width = x.shape
    for row in range(first, last):
        z, y = row // height, row % height
        for c in range(width):
            value = x[z, y, c]
            down = x[z + 1, y, c] - value if z + 1 < depth else np.float32(0)
            ahead = x[z, y + 1, c] - value if y + 1 < height else np.float32(0)
            beside = x[z, y, c + 1] - value if c + 1 < width else np.float32(0)
            squares[z, y, c] = down * down + ahead * ahead + beside * beside


@compiled()
def _mix(sources, weights, field, first, last):  # type: ignore[no-untyped-def]
    count, depth, height, width = sources.shape
    for row in range(first, last):
        z, y = row // height, row % height
        for x in range(width):
            for k in range(count):
                value, weight = sources[k, z, y, x], weights[k, z, y, x]
                if z + 1 < depth:
                    field[0, z, y, x] += weight * (sources[k, z + 1, y, x] - value)
                if y + 1 < height:
                    field[1, z, y, x] += weight * (sources[k, z, y + 1, x] - value)
                if x + 1 < width:
                    field[2, z, y, x] += weight * (sources[k, z, y, x + 1] - value)


def divergence(field: Volume) -> Volume:
    """Of `(3, D, H, W)`, by backward differences: the adjoint of the gradient."""
    total = np.zeros(field.shape[1:], np.float32)
    for axis in range(3):
        n: int = total.shape[axis]
        if n < 2:
            continue
        before = [slice(None)] * 3
        after = [slice(None)] * 3
        before[axis], after[axis] = slice(0, n - 1), slice(1, n)
        flow = field[axis][tuple(before)]
        total[tuple(before)] += flow
        total[tuple(after)] -= flow
    return total


def mixed_divergence(sources: Volume, weights: Volume) -> Volume:
    """`divergence(mixed(sources, weights))`, bit by bit, without the field in between, which is three volumes."""
    total = np.zeros(sources.shape[1:], np.float32)
    over_parts(_diverge, sources.shape[1] * sources.shape[2], sources, weights, total)
    return total


@compiled()
def _diverge(sources, weights, total, first, last):  # type: ignore[no-untyped-def]
    _, depth, height, width = sources.shape
    for row in range(first, last):
        z, y = row // height, row % height
        for x in range(width):
            value = np.float32(0)
            if z + 1 < depth:
                value += _flow(sources, weights, z, y, x, 1, 0, 0)
            if z > 0:
                value -= _flow(sources, weights, z - 1, y, x, 1, 0, 0)
            if y + 1 < height:
                value += _flow(sources, weights, z, y, x, 0, 1, 0)
            if y > 0:
                value -= _flow(sources, weights, z, y - 1, x, 0, 1, 0)
            if x + 1 < width:
                value += _flow(sources, weights, z, y, x, 0, 0, 1)
            if x > 0:
                value -= _flow(sources, weights, z, y, x - 1, 0, 0, 1)
            total[z, y, x] = value


@compiled_part
def _flow(sources, weights, z, y, x, down, ahead, beside):  # type: ignore[no-untyped-def]
    """The mixed difference from one sample to the next along an axis."""
    flow = np.float32(0)
    for k in range(sources.shape[0]):
        step = sources[k, z + down, y + ahead, x + beside] - sources[k, z, y, x]
        flow += weights[k, z, y, x] * step
    return flow


def integrated(field: Volume, anchor: Volume, screen: float) -> Volume:
    r"""The image u that minimises \(\sum |\nabla u - v|^2 + s (u - a)^2\), by one cosine transform there and back.

    Args:
        field: v, `(3, D, H, W)`.
        anchor: a, `(D, H, W)`, which decides what gradients leave open.
        screen: s > 0; over lengths far above \(2 \pi / \sqrt s\) samples u follows a.
    """
    return from_divergence(divergence(field), anchor, screen)


def from_divergence(right: Volume, anchor: Volume, screen: float) -> Volume:
    """`integrated` by the divergence of the field, `(D, H, W)`, whose memory is used; no further volume is made."""
    for sums, plane in zip(right, anchor, strict=True):
        np.subtract(screen * plane, sums, out=sums)
    coefficients = dctn(right, workers=threads(), overwrite_x=True)
    deep, high, wide = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in anchor.shape)
    for plane, eigenvalue in zip(coefficients, deep, strict=True):
        np.divide(plane, (eigenvalue + high[:, None] + wide + screen).astype(np.float32), out=plane)
    solved = np.asarray(idctn(coefficients, workers=threads(), overwrite_x=True), np.float32)
    solved += np.float32(anchor.mean(dtype=np.float64) - solved.mean(dtype=np.float64))  # rounding, many times enlarged
    return solved
