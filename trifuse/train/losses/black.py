"""What a fused picture shows where every source is black: nothing should be there."""

from __future__ import annotations

import torch
from torch import Tensor

BLACK = 2.5 / 255
"""Below this a source counts as black: two grey levels of compression or interpolation are none of the picture."""


def lifted(fused: Tensor, *sources: Tensor) -> Tensor:
    """Mean absolute value of a fused batch `(B, 1, H, W)` in 0..1 where all sources are black; 0 where none is."""
    black = torch.stack(sources).amax(dim=0) < BLACK
    return torch.where(black, fused.abs(), 0.0).sum() / black.sum().clamp_min(1)
