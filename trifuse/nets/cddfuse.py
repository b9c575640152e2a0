r"""The network of CDDFuse: shared structures and private details of two images, taken apart and fused.

One encoder with shared weights gives each image base features (global: channel attention) and detail features
(local: an invertible coupling); the features of the images are summed, refined by one fusion layer each, and
decoded together. Attribute names are the keys of the official checkpoints.

Source: Zhao et al., "CDDFuse: Correlation-Driven Dual-Branch Feature Decomposition for Multi-Modality Image
Fusion", CVPR 2023, section 3; blocks after Zamir et al., "Restormer", CVPR 2022, and Dinh et al., "Density
estimation using Real NVP", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 64
HEADS = 8


class _Affine(nn.Module):
    """Scale and shift of a layer norm, under the name that the checkpoints give it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel, `(B, C, H, W)` -> the same."""

    def __init__(self, channels: int = WIDTH) -> None:
        super().__init__()
        self.body = _Affine(channels)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        normed = functional.layer_norm(pixels, pixels.shape[-1:], self.body.weight, self.body.bias, 1e-5)
        return normed.permute(0, 3, 1, 2)


def channel_attention(qkv: Tensor, temperature: Tensor, projection: Tensor) -> Tensor:
    r"""Attention between the channels of a head, followed by the output projection.

    \(A = \mathrm{softmax}(\tau\, \hat q \hat k^\top)\) per head with \(\hat q, \hat k\) of unit length along the
    pixels; the result is \(P A v\). The heads are the diagonal blocks of one Gram matrix, and \(P A\) is a single
    matrix per image, so that each pixel is visited twice: once for the Gram matrix and once for the result.

    Args:
        qkv: `(B, 3C, H, W)`, queries, keys and values.
        temperature: `(heads, 1, 1)`.
        projection: `(C, C, 1, 1)`.
    """
    space = qkv.shape[2:]
    q, k, v = (part.flatten(2) for part in qkv.chunk(3, dim=1))
    heads, width = temperature.shape[0], q.shape[1]
    each = width // heads
    gram = (q @ k.transpose(1, 2)).reshape(-1, heads, each, heads, each)
    blocks = torch.diagonal(gram, dim1=1, dim2=3).permute(0, 3, 1, 2)
    lengths = [torch.linalg.vector_norm(x, dim=2).clamp_min(1e-12).reshape(-1, heads, each) for x in (q, k)]
    cosine = blocks / (lengths[0].unsqueeze(3) * lengths[1].unsqueeze(2))
    attention = (cosine * temperature).softmax(dim=-1)
    mixing = projection.reshape(width, heads, each).transpose(0, 1) @ attention
    out: Tensor = v.transpose(1, 2) @ mixing.permute(0, 1, 3, 2).reshape(-1, width, width)
    return out.transpose(1, 2).reshape(-1, width, *space)


class RestormerAttention(nn.Module):
    """Channel attention with depth-wise 3x3 queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv = nn.Conv2d(WIDTH, 3 * WIDTH, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * WIDTH, 3 * WIDTH, 3, padding=1, groups=3 * WIDTH, bias=False)
        self.project_out = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return channel_attention(self.qkv_dwconv(self.qkv(x)), self.temperature, self.project_out.weight)


class BaseAttention(nn.Module):
    """Channel attention with full 3x3 queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv1 = nn.Conv2d(WIDTH, 3 * WIDTH, 1, bias=False)
        self.qkv2 = nn.Conv2d(3 * WIDTH, 3 * WIDTH, 3, padding=1, bias=False)
        self.proj = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return channel_attention(self.qkv2(self.qkv1(x)), self.scale, self.proj.weight)


class GatedFeedForward(nn.Module):
    r"""Point-wise out, 3x3 in groups, gate \(\mathrm{gelu}(a) \cdot b\), point-wise back."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(WIDTH, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=groups, bias=False)
        self.project_out = nn.Conv2d(hidden, WIDTH, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        out: Tensor = self.project_out(functional.gelu(gate) * value)
        return out


class RestormerBlock(nn.Module):
    """Attention and feed-forward, each on normed features and added back."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = ChannelNorm()
        self.attn = RestormerAttention()
        self.norm2 = ChannelNorm()
        self.ffn = GatedFeedForward(hidden=2 * WIDTH, groups=4 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.ffn(self.norm2(x))
        return out


class BaseFeatures(nn.Module):
    """The base branch: what images of one patient share (section 3.2 of the paper)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = ChannelNorm()
        self.attn = BaseAttention()
        self.norm2 = ChannelNorm()
        self.mlp = GatedFeedForward(hidden=WIDTH, groups=WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Bottleneck(nn.Module):
    """Inverted residual bottleneck of the coupling, 32 -> 64 -> 32 channels, reflected borders."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTH // 2
        self.bottleneckBlock = nn.Sequential(
            nn.Conv2d(half, WIDTH, 1, bias=False),
            nn.ReLU6(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(WIDTH, WIDTH, 3, groups=WIDTH, bias=False),
            nn.ReLU6(inplace=True),
            nn.Conv2d(WIDTH, half, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bottleneckBlock(x)
        return out


class DetailNode(nn.Module):
    r"""Affine coupling: \(z_2 \leftarrow z_2 + \phi(z_1)\), \(z_1 \leftarrow z_1 e^{\rho(z_2)} + \eta(z_2)\)."""

    def __init__(self) -> None:
        super().__init__()
        self.theta_phi = Bottleneck()
        self.theta_rho = Bottleneck()
        self.theta_eta = Bottleneck()
        self.shffleconv = nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.shffleconv(x).chunk(2, dim=1)
        second = second + self.theta_phi(first)
        first = first * self.theta_rho(second).exp() + self.theta_eta(second)
        return torch.cat([first, second], dim=1)


class DetailFeatures(nn.Module):
    """The detail branch: what is each image's own (section 3.2 of the paper)."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*(DetailNode() for _ in range(nodes)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class _PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x)
        return out


class Encoder(nn.Module):
    """Image `(B, 1, H, W)` in 0..1 -> base, detail and shallow features, each `(B, 64, H, W)`; sides of 2 or more."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbed()
        self.encoder_level1 = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.baseFeature = BaseFeatures()
        self.detailFeature = DetailFeatures(nodes=3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shallow = self.encoder_level1(self.patch_embed(image))
        return self.baseFeature(shallow), self.detailFeature(shallow), shallow


class Decoder(nn.Module):
    """Base and detail features, and an image to add before the sigmoid or none -> image `(B, 1, H, W)` in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_channel = nn.Conv2d(2 * WIDTH, WIDTH, 1, bias=False)
        self.encoder_level2 = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.output = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1, bias=False),
            nn.LeakyReLU(),
            nn.Conv2d(WIDTH // 2, 1, 3, padding=1, bias=False),
        )

    def forward(self, base: Tensor, detail: Tensor, residual: Tensor | None = None) -> Tensor:
        reduced = self.reduce_channel(torch.cat([base, detail], dim=1))
        image: Tensor = self.output(self.encoder_level2(reduced))
        return torch.sigmoid(image if residual is None else image + residual)


class CDDFuse(nn.Module):
    """The four modules of a checkpoint, under the names of its groups."""

    def __init__(self) -> None:
        super().__init__()
        self.DIDF_Encoder = Encoder()
        self.DIDF_Decoder = Decoder()
        self.BaseFuseLayer = BaseFeatures()
        self.DetailFuseLayer = DetailFeatures(nodes=1)

    def forward(self, images: Sequence[Tensor], residual: Tensor | None = None) -> Tensor:
        r"""Fuses N images `(B, 1, H, W)` in 0..1 into one, `(B, 1, H, W)` in 0..1 before any rescaling.

        The features of the images are summed before the fusion layers, with the factor 2/N: 1 for the two images
        that the network was made for, and the magnitude that it was trained at for more.
        """
        count = len(images)
        stacked = torch.cat(list(images)).contiguous(memory_format=torch.channels_last)
        base, detail, _ = self.DIDF_Encoder(stacked)
        fused_base = self.BaseFuseLayer(_summed(base, count))
        fused_detail = self.DetailFuseLayer(_summed(detail, count))
        fused: Tensor = self.DIDF_Decoder(fused_base, fused_detail, residual)
        return fused


def _summed(features: Tensor, count: int) -> Tensor:
    """Sum over the images of a stack `(count·B, C, H, W)`, times 2/count."""
    total = features.reshape(count, -1, *features.shape[1:]).sum(dim=0)
    return total if count == 2 else total * (2 / count)


def from_state(state: State, origin: str) -> CDDFuse:
    """The network from a flat checkpoint.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    return fit(CDDFuse, state, origin)
