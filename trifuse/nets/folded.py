"""A wrapper that lets a network work on folded pixels, which is cheaper."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.padding import reflected_to_multiple


class Folded(nn.Module):
    """Runs a network on images whose `side x side` blocks are folded into channels, and unfolds what it says.

    The order of channels stays (condition first). Source: Shi et al., CVPR 2016 (sub-pixel convolution).
    """

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network = network
        self.side = side

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """`(B, C, H, W)` and levels `(B,)` -> `(B, C', H, W)`; any H and W."""
        height, width = x.shape[2:]
        folded = functional.pixel_unshuffle(reflected_to_multiple(x, self.side), self.side)
        out = functional.pixel_shuffle(self.network(folded, level), self.side)
        return out[:, :, :height, :width]
