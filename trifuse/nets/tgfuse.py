r"""The generator of TGFuse: features at four scales, weighted by a relation map that two transformers find.

A channel transformer relates the 64 channels of the coarsest features within each 16x16 patch; a spatial
transformer relates 4x4 patches over the whole image and gives one relation map. Attribute names are the keys of
the official checkpoints.

Source: Rao, Wu, Xu, "TGFuse: An Infrared and Visible Image Fusion Approach Based on Transformer and Generative
Adversarial Network", IEEE TIP 2023 (arXiv 2201.10147), section III.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 64
CHANNEL_PATCH = 16
SPATIAL_PATCH = 4
MULTIPLE = 128
"""Sides are multiples of this: three halvings, then patches of 16x16."""


class ConvLayer(nn.Module):
    """Convolution on reflected borders, followed by a leaky ReLU unless it is the last."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, last: bool = False) -> None:
        super().__init__()
        self.last = last
        padding = kernel // 2
        mode: Literal["reflect", "zeros"] = "reflect" if padding else "zeros"
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, padding=padding, padding_mode=mode)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2d(x)
        return out if self.last else functional.leaky_relu(out, 0.01)


class Residual(nn.Module):
    """Two convolutions, each with activation and then batch norm, added to the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvLayer(WIDTH, WIDTH, 3)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self.conv2 = ConvLayer(WIDTH, WIDTH, 3)
        self.bn2 = nn.BatchNorm2d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + x)


class Encode(nn.Module):
    """One encoder block: 1x1 convolution, residual block, 1x1 convolution."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(inputs, WIDTH, 1)
        self.res = Residual()
        self.conv2 = ConvLayer(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.res(self.conv1(x)))
        return out


class Attention(nn.Module):
    """Self-attention of tokens `(B, N, d)` with 4 heads."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class TransformerEncoder(nn.Module):
    """Four blocks and a norm; no position is encoded."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width) for _ in range(4)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.norm(self.blocks(tokens))
        return out


class _Projection(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(width, outputs))

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.projection(tokens)
        return out


class Patches(nn.Module):
    """`(B, C, H, W)` -> `(B, h, w, p·p, C)`: the pixels of the p x p patches, row by row."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        patch = self.patch
        cut = x.reshape(*x.shape[:2], x.shape[2] // patch, patch, x.shape[3] // patch, patch)
        return cut.permute(0, 2, 4, 3, 5, 1).flatten(3, 4)


class ChannelTokens(Patches):
    """`(B, 64, H, W)` -> one batch element per patch, one token of 256 pixels per channel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(0, 2).transpose(1, 2)


class SpatialTokens(Patches):
    """`(B, 64, H, W)` -> one token per patch, channels fastest."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(3).flatten(1, 2)


class ChannelTransformer(nn.Module):
    """`(B, 64, H, W)` -> the same; relates the channels within each 16x16 patch."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        area = CHANNEL_PATCH**2
        self.embedding = nn.Sequential(ChannelTokens(CHANNEL_PATCH), nn.Linear(area, width))
        self.en = TransformerEncoder(width)
        self.depatch = _Projection(width, area)

    def forward(self, x: Tensor) -> Tensor:
        return self.image(self.depatch(self.en(self.embedding(x))), x.shape)

    def image(self, pixels: Tensor, shape: torch.Size) -> Tensor:
        """Pixels of the patches put together to `(B, 64, H, W)`."""
        rows, columns = shape[2] // CHANNEL_PATCH, shape[3] // CHANNEL_PATCH
        cut = pixels.reshape(-1, rows, columns, WIDTH, CHANNEL_PATCH, CHANNEL_PATCH)
        return cut.permute(0, 3, 1, 4, 2, 5).reshape(shape)


class SpatialTransformer(nn.Module):
    """`(B, 64, H, W)` -> relation map `(B, 1, H, W)`; relates the 4x4 patches of the whole image."""

    def __init__(self, width: int = 2048) -> None:
        super().__init__()
        area = SPATIAL_PATCH**2
        self.embedding = nn.Sequential(SpatialTokens(SPATIAL_PATCH), nn.Linear(area * WIDTH, width))
        self.en = TransformerEncoder(width)
        self.depatch = _Projection(width, area)

    def forward(self, x: Tensor) -> Tensor:
        return self.image(self.depatch(self.en(self.embedding(x))), x.shape)

    def image(self, pixels: Tensor, shape: torch.Size) -> Tensor:
        """Pixels of the patches put together to `(B, 1, H, W)`, height and width as in `shape`."""
        rows, columns = shape[2] // SPATIAL_PATCH, shape[3] // SPATIAL_PATCH
        cut = pixels.reshape(-1, rows, columns, SPATIAL_PATCH, SPATIAL_PATCH)
        return cut.permute(0, 1, 3, 2, 4).reshape(-1, 1, *shape[2:])


class TGFuse(nn.Module):
    """Two grey images in 0..255 -> their fusion, unbounded, on the same scale; sides are multiples of 128.

    Args:
        spatial_width: width of the spatial transformer's tokens; 2048 as published, less is ours.
    """

    def __init__(self, spatial_width: int = 2048) -> None:
        super().__init__()
        self.conv_in1 = ConvLayer(2, 2, 1)
        self.en0 = Encode(2)
        self.en1 = Encode(WIDTH)
        self.en2 = Encode(WIDTH)
        self.en3 = Encode(WIDTH)
        self.ctrans3 = ChannelTransformer()
        self.strans3 = SpatialTransformer(spatial_width)
        self.conv_out = ConvLayer(WIDTH, 1, 1, last=True)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        r"""Fuses `(B, 1, H, W)` and `(B, 1, H, W)` into `(B, 1, H, W)`.

        The output is \(w \cdot \sum_k \mathrm{up}_{2^k}(x_k m_k) + b\), features weighted by the relation maps of
        their scales. The 1x1 convolution w is taken before enlarging, on each scale: both are linear and act on
        different axes, so the order is free, and one channel is enlarged instead of 64.
        """
        images = torch.cat([visible, infrared], dim=1).contiguous(memory_format=torch.channels_last)
        features = self.encode(images)
        maps = relation_maps(self.strans3(self.ctrans3(features[3])))
        weight, bias = self.conv_out.conv2d.weight, self.conv_out.conv2d.bias
        scales = [functional.conv2d(x, weight) * m for x, m in zip(features, maps, strict=True)]
        fused = enlarged(scales[3], 8) + enlarged(scales[2], 4) + enlarged(scales[1], 2) + scales[0]
        return fused if bias is None else fused + bias.view(1, 1, 1, 1)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features of both images together `(B, 2, H, W)` at full, half, quarter and eighth size, 64 channels each."""
        features = [self.en0(self.conv_in1(images))]
        for encode in (self.en1, self.en2, self.en3):
            features.append(encode(functional.avg_pool2d(features[-1], 2)))
        return features


def enlarged(x: Tensor, factor: int) -> Tensor:
    """Bilinear enlargement with the corner pixels in the corners."""
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


def relation_maps(coarsest: Tensor) -> list[Tensor]:
    """The relation maps of all scales, the finest first: each is the sum of all coarser ones, enlarged."""
    quarter = enlarged(coarsest, 2)
    half = enlarged(quarter, 2) + enlarged(coarsest, 4)
    full = enlarged(half, 2) + enlarged(quarter, 4) + enlarged(coarsest, 8)
    return [full, half, quarter, coarsest]


def from_state(state: State, origin: str) -> TGFuse:
    """The generator from a flat checkpoint; the width of its spatial transformer is read from the checkpoint.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    embedding = state.get("strans3.embedding.1.weight")
    width = 2048 if embedding is None else embedding.shape[0]
    return fit(partial(TGFuse, width), state, origin)
