"""Large volumes in overlapping windows, blended smoothly, so that memory is bounded by the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from trifuse.core.progress import track


def positions(n: int, window: int, stride: int) -> list[int]:
    """Starts of the windows along a side of n: multiples of the stride, until the side is covered."""
    return [0] if n <= window else list(range(0, n - window + stride, stride))


def windowed(
    network: Callable[..., Tensor], volumes: Sequence[Tensor], window: int, stride: int, label: str = "windows"
) -> Tensor:
    """Maps `(B, C, D, H, W)` that a network makes of volumes of one size, window by window.

    Every window starts at a multiple of the stride, so that a network whose grid has that period sees the same grid;
    the last ones may be smaller. Maps are blended with weights that rise and fall as a raised cosine.

    Args:
        network: takes the volumes' parts `(B, C, d, h, w)`, gives maps of the same size.
        volumes: the inputs.
        window: side of a window; 0 for one pass over the whole.
        stride: distance of windows.
        label: name of the progress.
    """
    space = volumes[0].shape[2:]
    if not window or all(n <= window for n in space):
        return network(*volumes).float()
    starts = list(product(*(positions(n, window, stride) for n in space)))
    summed, weights = volumes[0].new_zeros(()), torch.zeros(space, device=volumes[0].device)
    for corner in track(starts, label):
        d, h, w = (slice(at, at + window) for at in corner)
        maps = network(*(volume[..., d, h, w] for volume in volumes)).float()
        weight = _bell(maps.shape[2:], window).to(maps)
        if summed.ndim == 0:
            summed = maps.new_zeros(*maps.shape[:2], *space)
        summed[..., d, h, w] += maps * weight
        weights[d, h, w] += weight
    return summed / weights


def _bell(space: Sequence[int], window: int) -> Tensor:
    """Product of raised cosines over the window, cut to the size of the part."""
    bell = torch.ones(())
    for n in space:
        cosine = torch.sin(torch.pi * (torch.arange(n) + 0.5) / window).square()
        bell = bell[..., None] * cosine
    return bell
