"""Wrappers of a network that predicts pictures: on folded pixels (cheaper), and relative to a picture it is given."""

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


class Residual(nn.Module):
    """Adds what a network says to the last picture of its condition, so that it predicts only what is missing there.

    For TFS-Diff that picture is the fusion, in closed form, of upsampled sources; for SR3 the bicubic picture.
    """

    def __init__(self, network: nn.Module, channels: int = 3) -> None:
        super().__init__()
        self.network = network
        self.channels = channels

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """`(B, C, H, W)` (the known picture, then the noisy one, last) and levels `(B,)` -> `(B, channels, H, W)`."""
        known = x[:, -2 * self.channels : -self.channels]
        whole: Tensor = known + self.network(x, level)
        return whole
