r"""The network of DC2Fusion as its authors' program has it: two streams with cross-window blocks, in 3D.

Two volumes, first and second stream, share every weight. Attribute names are the keys of the authors' checkpoints.
The faults of the original are kept (each is named where it stands); `trifuse.nets.dc2fusion_corrected` has none.

Source: Liu, Fan, Zhang, Dai, Xie, Liang, "Three-Dimensional Medical Image Fusion with Deformable Cross-Attention",
ICONIP 2023, arXiv 2310.06291, and the authors' program.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.errors import WeightsError
from trifuse.nets.dc2fusion_layers import (
    PATCH,
    WINDOW,
    PatchEmbed,
    PatchExpand,
    PatchMerge,
    Pointwise,
    dropped,
    first,
    last,
    padded,
    pair_convolved,
    to_voxels,
    unwindowed,
    windows,
)
from trifuse.nets.state import State, fit

WIDTH = 96
DEPTHS = (2, 2, 6, 2)
HEADS = (3, 6, 12, 24)
DROP = 0.2
"""Rate of stochastic depth at the last block of the encoder; it rises linearly from 0."""


class ChannelNorm(nn.Module):
    """Layer norm of the channels of each token, under the key that the original gives it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., C)` -> `(..., C)`."""
        normed: Tensor = self.norm(x)
        return normed


class CrossAttention(nn.Module):
    """The projections of window attention; `proj` is never used and a softmax is missing, as in the original."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, other: Tensor, gate: Tensor, sides: Sequence[int]) -> Tensor:
        r"""\((q k^T) v\) in windows: q and v from the stream itself, v gated per channel, k from the other stream."""
        scale = (x.shape[-1] // self.heads) ** -0.5
        values = self.v(x) * gate
        q, k, v = (windows(y, self.heads, sides) for y in (self.q(x) * scale, self.k(other), values))
        return unwindowed(q @ k.transpose(-2, -1) @ v, sides)


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, ratio * channels)
        self.fc2 = nn.Linear(ratio * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., C)` -> `(..., C)`."""
        mixed: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return mixed


class CrossBlock(nn.Module):
    """Deformable cross-feature blend: a convolution branch and an attention branch look at the other stream."""

    def __init__(self, channels: int, heads: int, drop: float = 0.0) -> None:
        super().__init__()
        both, few = 2 * channels, channels // 8
        self.drop = drop
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn = CrossAttention(channels, heads)
        self.conv_offset = nn.Sequential(
            nn.Conv3d(both, both, 3, padding=1, groups=both),
            ChannelNorm(both),
            nn.GELU(),
            Pointwise(both, 3, bias=False),
        )
        self.proj_q = Pointwise(both, both)
        self.mlp = Mlp(channels)
        self.projection = Pointwise(channels, channels)
        # The number of channels stands where batch norm takes its epsilon: a fault of the original.
        self.dwconv3x3 = nn.Sequential(
            nn.Conv3d(both, channels, 7, padding=3, groups=channels), nn.BatchNorm3d(channels, eps=channels), nn.GELU()
        )
        self.channel_interaction = nn.Sequential(
            nn.Identity(), Pointwise(channels, few), ChannelNorm(few), nn.GELU(), Pointwise(few, channels)
        )
        self.spatial_interaction = nn.Sequential(
            Pointwise(channels, few), ChannelNorm(few), nn.GELU(), Pointwise(few, 1)
        )
        self.proj = nn.Linear(both, channels)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """One stream `(B, D, H, W, C)`, updated with a look at the other."""
        x = x + dropped(self.blended(x, other), self.drop, self.training)
        return x + dropped(self.mlp(self.norm1(x)), self.drop, self.training)

    def blended(self, x: Tensor, other: Tensor) -> Tensor:
        """Both branches; the other stream is not normed (a fault of the original)."""
        depth, height, width = x.shape[1:4]
        sides = [min(WINDOW, n) for n in (depth, height, width)]
        xn, raw = padded(self.norm1(x), sides), padded(other, sides)
        seen = scrambled(sampled(raw, grid_of(self.offsets(xn, raw))))
        convolved = self.convolved(xn, seen)
        gate: Tensor = self.channel_interaction(convolved.mean(dim=(1, 2, 3), keepdim=True))
        attended = self.cross_attn(xn, seen, gate.sigmoid(), sides)
        local = self.spatial_interaction(attended).sigmoid() * self.projection(convolved)
        mixed: Tensor = self.proj(torch.cat([local, self.norm1(attended)], dim=-1))
        return mixed[:, :depth, :height, :width]

    def offsets(self, xn: Tensor, other: Tensor) -> Tensor:
        """Offsets `(B, D, H, W, 3)` in z, y, x before they are bounded."""
        depthwise, *pointwise = self.conv_offset
        z = last(depthwise(first(self.proj_q(torch.cat([xn, other], dim=-1)))))
        for layer in pointwise:
            z = layer(z)
        return z

    def convolved(self, xn: Tensor, seen: Tensor) -> Tensor:
        """The convolution branch: its first half of the channels sees this stream only, the second half the other."""
        convolution, norm, activation = self.dwconv3x3
        assert isinstance(convolution, nn.Conv3d)
        both = first(torch.cat([xn, seen], dim=-1))
        mixed = pair_convolved(both[:, 0::2], both[:, 1::2], convolution.weight, convolution.bias)
        return last(activation(norm(mixed)))


def grid_of(raw: Tensor) -> Tensor:
    r"""Sampling positions `(B, D, H, W, 3)` in z, y, x, in -1..1: \(\tanh(raw)\, 2 / n\) added to the references.

    The references of the first and the last axis are divided by each other's length: a fault of the original that shows
    where the sides differ.
    """
    space = raw.shape[1:4]
    depth, height, width = space
    sides = torch.tensor(space, dtype=raw.dtype, device=raw.device)
    axes = [
        (torch.arange(n, dtype=raw.dtype, device=raw.device) + 0.5) / by * 2 - 1
        for n, by in zip(space, (height, width, depth), strict=True)
    ]
    return raw.tanh() * (2 / sides) + torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    """`(B, D, H, W, C)` at positions z, y, x (corners aligned, zeros outside) -> channels first `(B, C, D, H, W)`."""
    return functional.grid_sample(
        first(x).contiguous(), grid.flip(-1), mode="bilinear", padding_mode="zeros", align_corners=True
    )


def scrambled(x: Tensor) -> Tensor:
    """The memory of `(B, C, D, H, W)` read as `(B, D, H, W, C)`: the original lacks a transposition here."""
    batch, channels, *space = x.shape
    return x.contiguous().view(batch, *space, channels)


class Stage(nn.Module):
    """Blocks that update the streams in turn, the second one from the first one's new state."""

    def __init__(self, channels: int, heads: int, drops: Sequence[float], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CrossBlock(channels, heads, drop) for drop in drops)
        self.downsample = downsample

    def forward(self, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams before their sides change."""
        for block in self.blocks:
            x = block(x, other)
            other = block(other, x)
        return x, other


class CrossSwin(nn.Module):
    """The encoder and decoder of both streams; see `DC2Fusion`."""

    def __init__(self, width: int, depths: Sequence[int], heads: Sequence[int], drop: float) -> None:
        super().__init__()
        stages = len(depths)
        rates = torch.split(torch.linspace(0, drop, sum(depths), device="cpu"), list(depths))
        drops = [rate.tolist() for rate in rates]
        widths = [width * 2**stage for stage in range(stages)]
        deep = range(stages - 1, -1, -1)
        self.patch_embed = PatchEmbed(width)
        self.layers = nn.ModuleList(
            Stage(widths[i], heads[i], drops[i], PatchMerge(widths[i]) if i < stages - 1 else None)
            for i in range(stages)
        )
        self.up_layers = nn.ModuleList(
            Stage(widths[i], heads[i], drops[i], PatchExpand(widths[i]) if i else None) for i in deep
        )
        self.concat_back_dim = nn.ModuleList(nn.Linear(2 * widths[i], widths[i]) for i in deep)
        self.norm = nn.LayerNorm(widths[-1])
        self.norm2 = nn.LayerNorm(2 * width)
        self.reverse_patch_embedding = nn.ConvTranspose3d(2 * width, width // 2, PATCH, stride=PATCH)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Two volumes `(B, 1, D, H, W)` -> tokens of both streams, side by side and normed."""
        x, other = self.patch_embed(x), self.patch_embed(other)
        skips = []
        for stage in self.layers:
            assert isinstance(stage, Stage)
            x, other = stage(x, other)
            if stage.downsample is not None:
                skips.append((x, other))
                x, other = stage.downsample(x), stage.downsample(other)
        x, other = self.norm(x), self.norm(other)
        for index, stage in enumerate(self.up_layers):
            if index:
                join = self.concat_back_dim[index]
                x, other = (join(beside(y, skip)) for y, skip in zip((x, other), skips.pop(), strict=True))
            assert isinstance(stage, Stage)
            x, other = stage(x, other)
            if stage.downsample is not None:
                x, other = stage.downsample(x), stage.downsample(other)
        normed: Tensor = self.norm2(torch.cat([x, other], dim=-1))
        return normed


def beside(x: Tensor, skip: Tensor) -> Tensor:
    """Decoder tokens, resized where padding made them more, and the encoder's behind them."""
    if x.shape[1:4] != skip.shape[1:4]:
        size = list(skip.shape[1:4])
        x = last(functional.interpolate(first(x), size=size, mode="trilinear", align_corners=True))
    return torch.cat([x, skip], dim=-1)


class DC2Fusion(nn.Module):
    """Two volumes -> two maps, which a fusion rule makes one (`trifuse.methods.dc2fusion_rules`).

    Args:
        width: channels of the first stage, a multiple of 3 and at least 8; they double with each stage.
        drop: largest rate of stochastic depth in training.
    """

    def __init__(self, width: int = WIDTH, drop: float = DROP) -> None:
        super().__init__()
        self.swin = CrossSwin(width, DEPTHS, HEADS, drop)
        self.out_conv = nn.Conv3d(width // 2, 2, 3, padding=1)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """`(B, 1, D, H, W)` twice -> `(B, 2, D', H', W')`; sides that are no multiple of 4 grow to the next."""
        return to_voxels(self.swin(x, other), self.swin.reverse_patch_embedding, self.out_conv)


def from_state(state: State, origin: str) -> DC2Fusion:
    """The network from a flat checkpoint of any width.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    embedding = state.get("swin.patch_embed.proj.weight")
    if embedding is None:
        raise WeightsError(f"{origin}: no checkpoint of DC2Fusion: it lacks swin.patch_embed.proj.weight")
    return fit(lambda: DC2Fusion(len(embedding)), state, origin)
