r"""The network of DILRAN: features of one image by dilated convolutions and residual attention, and a linear
reconstruction.

Throughout, \(P(x)\) is the attention map of a 2x2 neighbourhood: ReLU of the average over 2x2 pixels, spread
over them again. Attribute names are the keys of the authors' checkpoint.

Source: Zhou, Xu, Zhang, "An Attention-based Multi-Scale Feature Learning Network for Multimodal Medical Image
Fusion", arXiv 2212.04661, 2022, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 64
UNUSED = ("fe.conv_id.", "fe.conv2.", "fe.bnorm.", "fe.fe.dilran.bnorm.")
"""Beginnings of the keys that the authors' checkpoint holds for layers that its network never runs."""


def attention_map(x: Tensor) -> Tensor:
    """P(x): average of each 2x2 pixels, spread over them, negative values cut off; even sides."""
    return functional.relu(functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2, mode="nearest"))


class ResidualAttention(nn.Module):
    r"""The DILRAN block: \(m = c(d) + c(c(d)) + c(c(c(d)))\) with one convolution c; \(d + P(d)\, m\)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_d = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, d: Tensor) -> Tensor:
        once: Tensor = self.conv_d(d)
        twice: Tensor = self.conv_d(once)
        thrice: Tensor = self.conv_d(twice)
        return d + attention_map(d) * (once + twice + thrice)


class MultiScale(nn.Module):
    """Three dilations side by side, reduced to 64 channels, then residual attention; one batch norm serves both."""

    def __init__(self) -> None:
        super().__init__()
        self.convd1 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.convd2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=3, dilation=3)
        self.convd3 = nn.Conv2d(WIDTH, WIDTH, 3, padding=5, dilation=5)
        self.reduce = nn.Conv2d(3 * WIDTH, WIDTH, 1)
        self.bnorm1 = nn.BatchNorm2d(WIDTH)
        self.dilran = ResidualAttention()

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        scales = torch.cat([self.convd1(x), self.convd2(x), self.convd3(x)], dim=1)
        reduced = self._normed(self.reduce(scales), batch_statistics)
        return self._normed(self.dilran(reduced), batch_statistics)

    def _normed(self, x: Tensor, batch_statistics: bool) -> Tensor:
        norm = self.bnorm1
        if batch_statistics and not self.training:
            return functional.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)
        normed: Tensor = norm(x)
        return normed


class Features(nn.Module):
    """Image `(B, 1, H, W)` in 0..1 with even sides -> features `(B, 64, H, W)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, WIDTH, 1)
        self.fe = MultiScale()

    def forward(self, image: Tensor, batch_statistics: bool = True) -> Tensor:
        """Features of a batch.

        Args:
            batch_statistics: outside training, whether batch norm takes the statistics of each picture itself, as
                in the published results; else the stored ones.
        """
        x: Tensor = image + attention_map(image) * self.conv1(image)
        deep: Tensor = self.fe(x, batch_statistics)
        return x + attention_map(x) * deep


class Reconstruction(nn.Module):
    """Features `(B, 64, H, W)` -> image `(B, 1, H, W)`, a linear map (no activation), so not clipped to 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.recon_conv = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1),
            nn.Conv2d(WIDTH // 2, 1, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        image: Tensor = self.recon_conv(features)
        return image


class DILRAN(nn.Module):
    """Feature extractor `fe` and reconstruction `recon`; run one after the other it is an auto-encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.fe = Features()
        self.recon = Reconstruction()

    def forward(self, image: Tensor) -> Tensor:
        """The image `(B, 1, H, W)` encoded and reconstructed."""
        out: Tensor = self.recon(self.fe(image))
        return out


def from_state(state: State, origin: str) -> DILRAN:
    """The network from a flat checkpoint; layers that no network runs are left out.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    return fit(DILRAN, state, origin, unused=UNUSED)
