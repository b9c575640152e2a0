r"""Layers of DC2Fusion's networks: tokens of volumes, channels last `(B, D, H, W, C)`, in windows and out of them.

Source: Liu, Fan, Zhang, Dai, Xie, Liang, "Three-Dimensional Medical Image Fusion with Deformable Cross-Attention",
ICONIP 2023, arXiv 2310.06291; windows as in Liu et al., "Swin Transformer", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 4
"""Side of a token in voxels."""
WINDOW = 2
"""Side of an attention window in tokens."""


def first(x: Tensor) -> Tensor:
    """Channels last -> channels first."""
    return x.permute(0, 4, 1, 2, 3)


def last(x: Tensor) -> Tensor:
    """Channels first -> channels last."""
    return x.permute(0, 2, 3, 4, 1)


def padded(x: Tensor, multiples: Sequence[int]) -> Tensor:
    """`(B, D, H, W, C)` with zeros at the far end of each axis, up to multiples of the given sides."""
    depth, height, width = (-n % m for n, m in zip(x.shape[1:4], multiples, strict=True))
    return functional.pad(x, (0, 0, 0, width, 0, height, 0, depth)) if depth or height or width else x


class Pointwise(nn.Conv3d):
    """A 1x1x1 convolution of tokens, as a matrix product; its weight has the shape of a convolution's."""

    def __init__(self, channels: int, out: int, bias: bool = True) -> None:
        super().__init__(channels, out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., C)` -> `(..., C')`."""
        return functional.linear(x, self.weight.flatten(1), self.bias)


class PatchEmbed(nn.Module):
    """Cubes of 4x4x4 voxels as tokens; the volume is padded with zeros at the far ends."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(1, width, PATCH, stride=PATCH)

    def forward(self, volume: Tensor) -> Tensor:
        """`(B, 1, D, H, W)` -> `(B, D/4, H/4, W/4, C)`."""
        return last(self.proj(first(padded(last(volume), [PATCH] * 3)))).contiguous()


class PatchMerge(nn.Module):
    """Halves the sides and doubles the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down_conv = nn.Conv3d(width, 2 * width, 2, stride=2)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, D, H, W, C)` -> `(B, D/2, H/2, W/2, 2 C)`, odd sides padded with zeros."""
        merged: Tensor = self.norm(last(self.down_conv(first(padded(x, [2] * 3)))))
        return merged


class PatchExpand(nn.Module):
    """Doubles the sides and halves the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(width, width // 2, 2, stride=2)
        self.norm = nn.LayerNorm(width // 2)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, D, H, W, C)` -> `(B, 2 D, 2 H, 2 W, C / 2)`."""
        expanded: Tensor = self.norm(last(self.up_conv(first(x))))
        return expanded


def pair_convolved(even: Tensor, odd: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution with two inputs per group as two depth-wise ones, which processors have fast kernels for.

    Args:
        even: the groups' first channels `(B, C, D, H, W)`.
        odd: their second channels.
        weight: `(C, 2, k, k, k)`, k odd; the borders are padded with zeros.
        bias: `(C)`.
    """
    channels, half = weight.shape[0], weight.shape[2] // 2
    summed = functional.conv3d(even, weight[:, :1], bias, padding=half, groups=channels)
    return summed + functional.conv3d(odd, weight[:, 1:], padding=half, groups=channels)


def windows(x: Tensor, heads: int, sides: Sequence[int]) -> Tensor:
    """Tokens in windows, by head: `(B, D, H, W, C)` -> `(B, D/d, H/h, W/w, heads, d h w, C / heads)`."""
    batch, *space, channels = x.shape
    (a, d), (b, h), (c, w) = ((n // side, side) for n, side in zip(space, sides, strict=True))
    split = x.reshape(batch, a, d, b, h, c, w, heads, channels // heads)
    return split.permute(0, 1, 3, 5, 7, 2, 4, 6, 8).reshape(batch, a, b, c, heads, d * h * w, channels // heads)


def unwindowed(x: Tensor, sides: Sequence[int]) -> Tensor:
    """The inverse of `windows`."""
    batch, a, b, c, heads, _, depth = x.shape
    d, h, w = sides
    split = x.reshape(batch, a, b, c, heads, d, h, w, depth).permute(0, 1, 5, 2, 6, 3, 7, 4, 8)
    return split.reshape(batch, a * d, b * h, c * w, heads * depth)


def dropped(x: Tensor, rate: float, training: bool) -> Tensor:
    """Stochastic depth: the branch of each sample is left out at a rate, and scaled up where it is kept."""
    if rate == 0 or not training:
        return x
    keep = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= rate
    return x * keep / (1 - rate)


def composed(up: nn.ConvTranspose3d, out: nn.Conv3d) -> tuple[Tensor, Tensor]:
    r"""A transposed convolution (kernel = stride = 4) followed by a 3x3x3 convolution, as one transposed convolution.

    Both are linear, so that \(K_{io} = \sum_c w_{oc} \star u_{ic}\) with 6x6x6 entries does the same from tokens to
    voxels, without the voxels of many channels between them.

    Returns:
        The kernel `(tokens' channels, outputs, 6, 6, 6)` and the kernel `(outputs, 1, 3, 3, 3)` that the first bias is
        seen through.
    """
    kernel = functional.conv3d(up.weight, out.weight, padding=2)
    assert up.bias is not None
    return kernel, torch.einsum("ocdhw,c->odhw", out.weight, up.bias)[:, None]


def to_voxels(tokens: Tensor, up: nn.ConvTranspose3d, out: nn.Conv3d) -> Tensor:
    """`out(up(tokens))` of tokens `(B, D, H, W, C)` -> `(B, outputs, 4 D, 4 H, 4 W)`; see `composed`."""
    kernel, seen = composed(up, out)
    volumes = functional.conv_transpose3d(first(tokens), kernel, stride=PATCH, padding=1)
    inside = volumes.new_ones(1, 1, *volumes.shape[2:])
    return volumes + functional.conv3d(inside, seen, out.bias, padding=1)
