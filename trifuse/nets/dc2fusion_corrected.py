r"""DC2Fusion as the paper describes it, without the faults of its program, and of any size.

What differs from `trifuse.nets.dc2fusion`: sampled features keep their places; sampling positions are those of the
tokens' centres; both streams are normed; attention has its softmax, and its keys and values come from the other
stream; both streams are updated at once; norms and gates know neither the batch nor the size of the volume (layer norm,
means over a neighbourhood); the last layer says for each voxel how much of the first source is seen.

Source: Liu, Fan, Zhang, Dai, Xie, Liang, "Three-Dimensional Medical Image Fusion with Deformable Cross-Attention",
ICONIP 2023, arXiv 2310.06291.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.errors import WeightsError
from trifuse.nets.dc2fusion import Mlp, beside
from trifuse.nets.dc2fusion_layers import (
    PATCH,
    WINDOW,
    PatchEmbed,
    PatchExpand,
    PatchMerge,
    dropped,
    first,
    last,
    padded,
    pair_convolved,
    unwindowed,
    windows,
)
from trifuse.nets.padding import reflected_to_multiple
from trifuse.nets.state import State, fit

AROUND = 7
"""Side in tokens of the neighbourhood that a channel's gate looks at."""
HEAD_WIDTH = 8
"""Channels of the layers that work on voxels."""
START = 0.69
"""Logit of the share that an untrained network gives: 2/3, as the paper weighs its sources."""
HEAD_DIM = 8
"""Channels of an attention head."""


class Attention(nn.Module):
    r"""\(\mathrm{softmax}(q k^T / \sqrt{d})\, v\) in windows, q from the stream itself, k and v from the other one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_DIM)
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, other: Tensor, gate: Tensor, sides: Sequence[int]) -> Tensor:
        """Tokens `(B, D, H, W, C)`; values are gated per token and channel."""
        key, value = self.kv(other).chunk(2, dim=-1)
        q, k, v = (windows(y, self.heads, sides) for y in (self.q(x), key, value * gate))
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)
        attended: Tensor = self.proj(unwindowed(weights @ v, sides))
        return attended


class Offsets(nn.Module):
    """How far, in tokens, each token looks aside in the other stream, less than one along each axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        both = 2 * channels
        self.mix = nn.Linear(both, both)
        self.around = nn.Conv3d(both, both, 3, padding=1, groups=both)
        self.norm = nn.LayerNorm(both)
        self.out = nn.Linear(both, 3, bias=False)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """`(B, D, H, W, 3)` in z, y, x."""
        z = last(self.around(first(self.mix(torch.cat([x, other], dim=-1)))))
        said: Tensor = self.out(functional.gelu(self.norm(z)))
        return said.tanh()


class Gate(nn.Module):
    """A narrow network that says what is let through."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        few = max(channels // 8, 4)
        self.inner = nn.Linear(channels, few)
        self.norm = nn.LayerNorm(few)
        self.outer = nn.Linear(few, out)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `(..., C)` -> `(..., out)` in 0..1."""
        said: Tensor = self.outer(functional.gelu(self.norm(self.inner(x))))
        return said.sigmoid()


class CrossBlock(nn.Module):
    """Deformable cross-feature blend."""

    def __init__(self, channels: int, kernel: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.norm1 = nn.LayerNorm(channels)
        self.offsets = Offsets(channels)
        self.weight = nn.Parameter(torch.empty(channels, 2, kernel, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.conv_norm = nn.LayerNorm(channels)
        self.channel_gate = Gate(channels, channels)
        self.projection = nn.Linear(channels, channels)
        self.attention = Attention(channels)
        self.spatial_gate = Gate(channels, 1)
        self.attention_norm = nn.LayerNorm(channels)
        self.proj = nn.Linear(2 * channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, 2)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """One stream `(B, D, H, W, C)`, updated with a look at the other."""
        x = x + dropped(self.blended(x, other), self.drop, self.training)
        return x + dropped(self.mlp(self.norm2(x)), self.drop, self.training)

    def blended(self, x: Tensor, other: Tensor) -> Tensor:
        """The convolution branch, gated by the attention branch, and the attention branch, gated by it."""
        depth, height, width = x.shape[1:4]
        sides = [min(WINDOW, n) for n in (depth, height, width)]
        xn, on = padded(self.norm1(x), sides), padded(self.norm1(other), sides)
        seen = looked_up(on, self.offsets(xn, on))
        mixed = pair_convolved(first(xn).contiguous(), first(seen), self.weight, None)
        convolved = functional.gelu(self.conv_norm(last(mixed)))
        attended = self.attention(xn, seen, self.channel_gate(around(convolved)), sides)
        local = self.spatial_gate(attended) * self.projection(convolved)
        out: Tensor = self.proj(torch.cat([local, self.attention_norm(attended)], dim=-1))
        return out[:, :depth, :height, :width]


def looked_up(x: Tensor, offsets: Tensor) -> Tensor:
    r"""Features `(B, D, H, W, C)` at their centres \((2 k + 1)/n - 1\) moved by offsets in tokens; borders repeat."""
    space = x.shape[1:4]
    axes = [(2 * torch.arange(n, device=x.device, dtype=torch.float32) + 1) / n - 1 for n in space]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    sides = torch.tensor(space, device=x.device, dtype=torch.float32)
    grid = (centres + offsets.float() * 2 / sides).flip(-1)
    volume = first(x).float().contiguous()
    return last(functional.grid_sample(volume, grid, mode="bilinear", padding_mode="border", align_corners=False)).to(
        x.dtype
    )


def around(x: Tensor) -> Tensor:
    """Means of `(B, D, H, W, C)` over a neighbourhood of 7x7x7 tokens, as far as it is inside; one axis at a time."""
    for axis in (1, 2, 3):
        place = torch.arange(x.shape[axis], device=x.device)
        near = ((place[:, None] - place).abs() <= AROUND // 2).to(x.dtype)
        x = torch.einsum("...c,kc->...k", x.movedim(axis, -1), near / near.sum(dim=1, keepdim=True)).movedim(-1, axis)
    return x


class Stage(nn.Module):
    """Blocks that update both streams from their previous states, the streams one after the other in the batch."""

    def __init__(self, channels: int, kernel: int, drops: Sequence[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CrossBlock(channels, kernel, drop) for drop in drops)

    def forward(self, both: Tensor) -> Tensor:
        """Both streams `(2 B, D, H, W, C)`."""
        for block in self.blocks:
            both = block(both, both.roll(len(both) // 2, 0))
        return both


class Head(nn.Module):
    """Tokens of both streams and the voxels themselves -> the share of the first source in each voxel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * width)
        self.up = nn.ConvTranspose3d(2 * width, HEAD_WIDTH, PATCH, stride=PATCH)
        self.inner = nn.Conv3d(HEAD_WIDTH + 2, HEAD_WIDTH, 3, padding=1, padding_mode="replicate")
        self.outer = nn.Conv3d(HEAD_WIDTH, 1, 3, padding=1, padding_mode="replicate")
        with torch.no_grad():
            self.outer.weight.mul_(0.1)
            self.outer.bias.fill_(START)  # type: ignore[union-attr]

    def forward(self, tokens: Tensor, x: Tensor, other: Tensor) -> Tensor:
        """`(B, D, H, W, 2 C)` and two volumes -> `(B, 1, 4 D, 4 H, 4 W)`."""
        from_tokens = self.up(first(self.norm(tokens)))
        mixed = functional.gelu(self.inner(torch.cat([from_tokens, x, other], dim=1)))
        said: Tensor = self.outer(mixed)
        return said.sigmoid()


class DC2FusionCorrected(nn.Module):
    """Two volumes -> the share of the first one in each voxel of the fused volume.

    Args:
        width: channels of the first stage; they double with each stage.
        depths: blocks of each stage of the encoder; the decoder mirrors them.
        kernel: side in tokens of the convolution branch.
        drop: largest rate of stochastic depth in training.
    """

    def __init__(self, width: int = 24, depths: Sequence[int] = (2, 2), kernel: int = 3, drop: float = 0.0) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(len(depths))]
        rates = torch.split(torch.linspace(0, drop, sum(depths), device="cpu"), list(depths))
        drops = [rate.tolist() for rate in rates]
        outer = range(len(depths) - 1)
        self.embed = PatchEmbed(width)
        self.encoder = nn.ModuleList(Stage(widths[i], kernel, drops[i]) for i in range(len(depths)))
        self.merges = nn.ModuleList(PatchMerge(widths[i]) for i in outer)
        self.decoder = nn.ModuleList(Stage(widths[i], kernel, drops[i]) for i in range(len(depths)))
        self.expands = nn.ModuleList(PatchExpand(widths[i + 1]) for i in outer)
        self.joins = nn.ModuleList(nn.Linear(2 * widths[i], widths[i]) for i in outer)
        self.head = Head(width)

    @property
    def multiple(self) -> int:
        """Voxels after which the grid of tokens and windows repeats; volumes are mirrored to a multiple of it."""
        return int(PATCH * WINDOW * 2 ** len(self.merges))

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """`(B, 1, D, H, W)` twice, in 0..1 -> shares `(B, 1, D, H, W)` in 0..1."""
        depth, height, width = x.shape[2:]
        x, other = (reflected_to_multiple(volume, self.multiple) for volume in (x, other))
        both = self.encoder[0](self.embed(torch.cat([x, other])))
        skips = []
        for merge, stage in zip(self.merges, list(self.encoder)[1:], strict=True):
            skips.append(both)
            both = stage(merge(both))
        both = self.decoder[-1](both)
        for index in reversed(range(len(self.merges))):
            joined = self.joins[index](beside(self.expands[index](both), skips.pop()))
            both = self.decoder[index](joined)
        share: Tensor = self.head(torch.cat(both.chunk(2), dim=-1), x, other)
        return share[:, :, :depth, :height, :width]


def from_state(state: State, origin: str) -> DC2FusionCorrected:
    """The network from a flat checkpoint; its shape is read from the tensors.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    embedding, weight = state.get("embed.proj.weight"), state.get("encoder.0.blocks.0.weight")
    if embedding is None or weight is None:
        raise WeightsError(f"{origin}: no checkpoint of DC2FusionCorrected: it lacks embed.proj.weight")
    blocks = {tuple(key.split(".")[1:4:2]) for key in state if key.startswith("encoder.")}
    stages = sorted({stage for stage, _ in blocks})
    depths = [sum(stage == wanted for stage, _ in blocks) for wanted in stages]
    return fit(lambda: DC2FusionCorrected(len(embedding), depths, weight.shape[-1]), state, origin)
