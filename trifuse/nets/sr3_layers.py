"""The layers of the SR3 family of networks; attribute names are those of the official checkpoints.

Source: Saharia et al., Image Super-Resolution via Iterative Refinement, TPAMI 2023, appendix A, as its program
has it; the gate is that of Xu et al., MICCAI 2024, section 2.2.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.sr3_config import UNetConfig


class SinusoidalEncoding(nn.Module):
    r"""\((\sin f_i v, \cos f_i v)\) with \(f_i = 10^{-4 i / h}\), \(h\) = half the width, i = 0..h-1.

    The value is not rescaled, so that over levels 0..1 the encoding is smooth and of low contrast.
    """

    def __init__(self, width: int, *, saved: bool) -> None:
        super().__init__()
        self.width = width
        if saved:  # official `ddpm` checkpoints carry the frequencies; a copy in bf16 would be too coarse to use
            self.register_buffer("inv_freq", self.frequencies(torch.zeros((), dtype=torch.float32)))

    def frequencies(self, like: Tensor) -> Tensor:
        """The `width // 2` frequencies, in the type and place of `like`."""
        half = self.width // 2
        ramp = torch.arange(half, dtype=like.dtype, device=like.device) / half
        return torch.exp(-math.log(10000) * ramp)

    def forward(self, value: Tensor) -> Tensor:
        """`(B, width)` from `(B,)`, at least in float32."""
        value = value if value.dtype == torch.float64 else value.float()
        phase = value[:, None] * self.frequencies(value)
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class SEBlock(nn.Module):
    """Squeeze and excitation: each channel is scaled by a gate 0..1 computed from the means of all channels."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def gates(self, x: Tensor) -> Tensor:
        """Gates `(B, C)` of `(B, C, H, W)`."""
        return torch.sigmoid(self.linear2(functional.relu(self.linear1(x.mean(dim=(2, 3))))))

    def forward(self, x: Tensor) -> Tensor:
        """The gated input."""
        return x * self.gates(x)[:, :, None, None].to(x.dtype)


class Block(nn.Module):
    """Group normalisation, swish, dropout, 3x3 convolution."""

    def __init__(self, before: int, after: int, groups: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.GroupNorm(groups, before), nn.SiLU(), nn.Dropout(dropout), nn.Conv2d(before, after, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, after, H, W)` from `(B, before, H, W)`."""
        return cast(Tensor, self.block(x))


class NoiseProjection(nn.Module):
    """Noise features as one offset per channel."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.noise_func = nn.Sequential(nn.Linear(features, channels))

    def forward(self, features: Tensor) -> Tensor:
        """`(B, channels)` from `(B, features)`."""
        return cast(Tensor, self.noise_func(features))


class ResidualBlock(nn.Module):
    """Two blocks with the noise features added between them, and a skip."""

    def __init__(self, before: int, after: int, config: UNetConfig) -> None:
        super().__init__()
        if config.embedding == "level":
            self.noise_func = NoiseProjection(config.channels, after)
        else:
            self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(config.channels, after))
        self.block1 = Block(before, after, config.norm_groups)
        self.block2 = Block(after, after, config.norm_groups, config.dropout)
        self.res_conv = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self._project = "noise_func" if config.embedding == "level" else "mlp"

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """`(B, after, H, W)` from `(B, before, H, W)` and noise features `(B, F)`."""
        # sums are made in place, in outputs of convolutions that nobody else holds
        offset = getattr(self, self._project)(features)[:, :, None, None]
        hidden = self.block2(self.block1(x).add_(offset))
        return cast(Tensor, hidden.add_(self.res_conv(x)))


class SelfAttention(nn.Module):
    """Every pixel attends to every other, one head, with a skip."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, same shape."""
        query, key, value = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, x + self.out(mixed.squeeze(1).transpose(1, 2).reshape(x.shape)))


class ResidualWithAttention(nn.Module):
    """A residual block, followed by self-attention where asked for."""

    def __init__(self, before: int, after: int, config: UNetConfig, attention: bool) -> None:
        super().__init__()
        self.res_block = ResidualBlock(before, after, config)
        if attention:
            self.attn = SelfAttention(after, config.norm_groups)
        self._attention = attention

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """`(B, after, H, W)` from `(B, before, H, W)` and noise features `(B, F)`."""
        x = self.res_block(x, features)
        return cast(Tensor, self.attn(x)) if self._attention else x


class Downsample(nn.Module):
    """Half the resolution by a strided 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H / 2, W / 2)` from `(B, C, H, W)`."""
        return cast(Tensor, self.conv(x))


class Upsample(nn.Module):
    """Twice the resolution: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, 2 H, 2 W)` from `(B, C, H, W)`."""
        return cast(Tensor, self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest")))
