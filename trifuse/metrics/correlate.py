"""Correlation with a symmetric 1-D window along one axis, compiled: the inner loop of all windowed metrics."""

from __future__ import annotations

from math import prod

import numpy as np

from trifuse.core.compiled import compiled
from trifuse.metrics.pixels import Array


def along(x: Array, weights: Array, axis: int) -> Array:
    """Correlation of an array with symmetric `weights` of odd length along `axis`, inside only.

    Returns:
        An array that is `len(weights) - 1` samples shorter along `axis`.
    """
    x = np.ascontiguousarray(x)
    shape = x.shape
    flat = x.reshape(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
    out = np.empty((flat.shape[0], shape[axis] - len(weights) + 1, flat.shape[2]))
    if flat.shape[2] == 1:
        _rows(flat[:, :, 0], weights, out[:, :, 0])
    else:
        _columns(flat, weights, out)
    return out.reshape(*shape[:axis], -1, *shape[axis + 1 :])


@compiled()
def _rows(x, weights, out):  # type: ignore[no-untyped-def]
    last = weights.size - 1
    middle = last // 2
    for a in range(x.shape[0]):
        row, result = x[a], out[a]
        for i in range(result.size):
            result[i] = weights[middle] * row[i + middle]
        k = 0
        while k + 4 <= middle:
            w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            e = last - k
            for i in range(result.size):
                outer = w0 * (row[i + k] + row[i + e]) + w1 * (row[i + k + 1] + row[i + e - 1])
                inner = w2 * (row[i + k + 2] + row[i + e - 2]) + w3 * (row[i + k + 3] + row[i + e - 3])
                result[i] += outer + inner
            k += 4
        while k < middle:
            for i in range(result.size):
                result[i] += weights[k] * (row[i + k] + row[i + last - k])
            k += 1


@compiled()
def _columns(x, weights, out):  # type: ignore[no-untyped-def]
    last = weights.size - 1
    middle = last // 2
    for a in range(x.shape[0]):
        for i in range(out.shape[1]):
            result, centre = out[a, i], x[a, i + middle]
            for b in range(result.size):
                result[b] = weights[middle] * centre[b]
            for k in range(middle):
                first, second = x[a, i + k], x[a, i + last - k]
                for b in range(result.size):
                    result[b] += weights[k] * (first[b] + second[b])
