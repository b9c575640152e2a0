r"""Consistency with what was measured: an enlarged picture, made small again, has to be the small one.

A network that enlarges \(y\) to \(x\) may leave a gap \(y - D x\), D being the reduction that it was trained to undo.
Of all corrections that close it the smallest is \(D^T (D D^T)^{-1} (y - D x)\), the projection onto the pictures that
agree with y, among which the true one is: no error grows (the range-null decomposition; Schwab, Antholzer and
Haltmeier, Inverse Problems 35, 2019). With \(D D^T + \rho\) in its place what is lost between grey levels is not
blown up. D is Pillow's bicubic on both axes, and clips: a gap is that to the clipped \(D x\).

Where the small picture is black together with its neighbours, nothing but black could have been measured: there the
enlarged one is black too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core import resize

DAMPING = 0.01
"""The weight rho; 0.003 to 0.03 serve validation pictures at x2, x4 and x8 about equally."""

PASSES = 2
"""Projections, each onto the pictures that agree and then onto 0..1; the second is for pictures with saturated parts,
such as CT."""


class Reduction(NamedTuple):
    """Pillow's bicubic from N to n pixels along one axis as singular values `(n,)` and vectors `(n, n)`, `(n, N)`."""

    left: Tensor
    values: Tensor
    right: Tensor


@lru_cache(maxsize=16)
def reduction(large: int, small: int) -> Reduction:
    """The reduction of an axis; every column of the identity is one picture that Pillow makes smaller."""
    matrix = resize.pillow(np.eye(large, dtype=np.float32)[None], (small, large))[0]
    return Reduction(*torch.linalg.svd(torch.from_numpy(np.ascontiguousarray(matrix)), full_matrices=False))


def consistent(large: Tensor, small: Tensor) -> Tensor:
    """Corrects an enlarged picture by the gap between what it becomes when made small again, and what it was.

    Args:
        large: `(B, C, H, W)` in 0..1, float32.
        small: `(B, C, h, w)` in 0..1, float32, H and W whole multiples of h and w.

    Returns:
        `(B, C, H, W)` in 0..1.
    """
    rows, columns = (
        Reduction(*(each.to(large.device) for each in reduction(n, m)))
        for n, m in zip(large.shape[2:], small.shape[2:], strict=True)
    )
    for _ in range(PASSES):
        large = (large + _correction(large, small, rows, columns)).clamp(0, 1)
    return large * lit(small, large.shape[2:])


def lit(small: Tensor, size: torch.Size) -> Tensor:
    """`(B, 1, H, W)`: 1 where a pixel of the small picture, or one beside it, is not black in all channels, else 0."""
    near = functional.max_pool2d(small.amax(dim=1, keepdim=True), 3, stride=1, padding=1)
    return functional.interpolate((near > 0).to(small.dtype), size=tuple(size), mode="nearest")


def _correction(large: Tensor, small: Tensor, rows: Reduction, columns: Reduction) -> Tensor:
    """The smallest picture, up to damping, that made smaller is the gap."""
    seen = rows.left @ (rows.values[:, None] * (rows.right @ large @ columns.right.T) * columns.values) @ columns.left.T
    gap = rows.left.T @ (small - seen.clamp(0, 1)) @ columns.left
    gain = rows.values[:, None] * columns.values
    return rows.right.T @ (gap * gain / (gain.square() + DAMPING)) @ columns.right
