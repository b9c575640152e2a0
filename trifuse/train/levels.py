r"""Which noise levels a diffusion network is taught at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trifuse.train.draw import Draw

NOISIEST = 0.012
"""The level at which sampling starts (noise of the unscaled picture about 80)."""


def drawn_levels(draw: Draw, count: int, pure_noise: float = 0.0) -> Tensor:
    r"""`(count,)` levels \(a = \cos(u \pi / 2)\), u uniform in 0..1: the cosine schedule in continuous time.

    Args:
        draw: the randomness of the step.
        count: how many.
        pure_noise: share of them at the noisiest level.
    """
    angle = torch.rand(count, generator=draw.torch, dtype=torch.float64) * math.pi / 2
    level = angle.cos().clamp(min=NOISIEST)
    if pure_noise:
        level[torch.rand(count, generator=draw.torch) < pure_noise] = NOISIEST
    return level
