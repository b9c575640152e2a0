r"""The auto-encoder of SwinFuse: a residual Swin transformer on single pixels, and a 1x1 decoder.

`stages="first"` runs the first block of each of the three stages, as the published program does (its stages
return from inside the loop over their blocks); no window is shifted then, and pixels of different 7x7 windows
never meet. `stages="all"` runs all blocks of each stage (six as published) with the shifts that the paper
describes. Attribute names are the keys of the official checkpoints.

Source: Wang, Chen, Shao, Li, Zhang, "SwinFuse: A Residual Swin Transformer Fusion Network for Infrared and
Visible Images", IEEE TIM 71, 2022, section III; windows after Liu et al., "Swin Transformer", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 96
WINDOW = 7
SHIFT = 3
DEPTH = 6
HEADS = (1, 2, 4)
CHUNK = 32
OFFICIAL = ("norm_up.", "prelu.")
"""Beginnings of the keys that only the original's checkpoints hold, for layers that it never runs."""

Stages = Literal["first", "all"]


class WindowAttention(nn.Module):
    """Self-attention within windows `(n, 49, C)`, with a learned bias for each relative position."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attends; `mask` `(n, 49, 49)` is added to the scores."""
        q, k, v = self.qkv(windows).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        index = relative_positions().to(windows.device)
        bias = self.relative_position_bias_table[index].permute(2, 0, 1)[None].to(q.dtype)
        if mask is not None:
            bias = bias + mask[:, None].to(q.dtype)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return out


class Block(nn.Module):
    """Swin block on windows `(n, 49, C)`."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = WindowAttention(heads)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = MLP()

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        windows = windows + self.attn(self.norm1(windows), mask)
        out: Tensor = windows + self.mlp(self.norm2(windows))
        return out


class Stage(nn.Module):
    """Six blocks, every second one on windows shifted by 3 pixels."""

    def __init__(self, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(heads) for _ in range(depth))

    def forward(self, windows: Tensor, size: tuple[int, int]) -> Tensor:
        """All blocks on the windows of images of `size`, without the residual round the stage."""
        shifted = Shifted.of(len(windows) * WINDOW**2 // (size[0] * size[1]), *size)
        for index, block in enumerate(self.blocks):
            windows = shifted.through(block, windows) if index % 2 else in_chunks(block, windows)
        return windows


class _PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, WIDTH, 1)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, pixels: Tensor) -> Tensor:
        """`(n, 49, 1)` -> `(n, 49, C)`; a 1x1 convolution of one channel is a linear map of each pixel."""
        embedded = torch.addcmul(self.proj.bias, pixels, self.proj.weight.view(1, 1, WIDTH))  # type: ignore[arg-type]
        out: Tensor = self.norm(embedded)
        return out


class SwinFuse(nn.Module):
    """Image `(B, 1, H, W)` in -1..1, sides multiples of 7 -> features `(B, 96, H, W)` -> image in -1..1.

    Args:
        depth: blocks per stage; 6 as published, fewer is ours.

    Attributes:
        stages: the form of the network that its weights were trained in; see the top of this file.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        super().__init__()
        self.stages: Stages = "all"
        self.patch_embed = _PatchEmbed()
        self.EN1_0, self.EN2_0, self.EN3_0 = (Stage(heads, depth) for heads in HEADS)
        self.norm = nn.LayerNorm(WIDTH)
        self.conv = nn.Conv2d(WIDTH, 1, 1)

    @property
    def reach(self) -> int:
        """How many pixels far a pixel of the features looks: a window further with each shifted block."""
        return WINDOW * sum(len(stage.blocks) // 2 for stage in (self.EN1_0, self.EN2_0, self.EN3_0))

    def encode(self, image: Tensor, stages: Stages | None = None) -> Tensor:
        """Features of an image; everything but the attention is token-wise, so it stays cut into windows throughout."""
        size = (image.shape[2], image.shape[3])
        windows = windows_of(image)
        if (stages or self.stages) == "first":
            return image_of(in_chunks(self._first_blocks, windows), size)
        x = in_chunks(self.patch_embed, windows)
        for stage in (self.EN1_0, self.EN2_0, self.EN3_0):
            x = stage(x, size) + x
        return image_of(self.norm(x), size)

    def _first_blocks(self, windows: Tensor) -> Tensor:
        x = self.patch_embed(windows)
        for stage in (self.EN1_0, self.EN2_0, self.EN3_0):
            x = stage.blocks[0](x) + x
        normed: Tensor = self.norm(x)
        return normed

    def decode(self, features: Tensor) -> Tensor:
        """Image `(B, 1, H, W)` in -1..1 from features."""
        return torch.tanh(self.conv(features))

    def forward(self, image: Tensor, stages: Stages | None = None) -> Tensor:
        """The image encoded and decoded, which is what training is about."""
        return self.decode(self.encode(image, stages))


def in_chunks(step: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """A step on windows, a few at a time, so that what it makes on the way stays in the processor's cache."""
    return torch.cat([step(*parts) for parts in zip(*(torch.split(x, CHUNK) for x in tensors), strict=True)])


def windows_of(image: Tensor) -> Tensor:
    """`(B, C, H, W)` cut into its 7x7 windows `(B·h·w, 49, C)`, row by row."""
    batch, channels, height, width = image.shape
    cut = image.reshape(batch, channels, height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, WINDOW**2, channels)


def image_of(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `windows_of` for images of `size`."""
    rows, columns = size[0] // WINDOW, size[1] // WINDOW
    channels = windows.shape[2]
    cut = windows.reshape(-1, rows, columns, WINDOW, WINDOW, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, *size)


class Shifted(NamedTuple):
    """Windows that lie 3 pixels further right and down, wrapped round the borders and masked there.

    Attributes:
        there: for each of their tokens, which token of the plain windows it is; windows that need no mask come first.
        back: the inverse.
        inner: number of windows that need no mask.
        mask: what is added to the scores of the others, `(n, 49, 49)`.
    """

    there: Tensor
    back: Tensor
    inner: int
    mask: Tensor

    @staticmethod
    @lru_cache(maxsize=4)
    @torch.inference_mode(False)
    def of(batch: int, height: int, width: int) -> Shifted:
        """Those of a batch of images of one size."""
        tokens = torch.arange(height * width).view(-1, WINDOW**2, 1)
        moved = windows_of(image_of(tokens, (height, width)).roll((-SHIFT, -SHIFT), dims=(2, 3)))[:, :, 0]
        mask = shift_mask(height, width)
        wrapped = mask.flatten(1).any(dim=1)
        offsets = torch.arange(batch).view(-1, 1, 1) * height * width
        there = torch.cat([(moved[part] + offsets).flatten() for part in (~wrapped, wrapped)])
        return Shifted(there, there.argsort(), batch * int((~wrapped).sum()), mask[wrapped].repeat(batch, 1, 1))

    def through(self, block: nn.Module, windows: Tensor) -> Tensor:
        """A block on these windows; takes and gives plain ones `(n, 49, C)`."""
        moved = windows.flatten(0, 1)[self.there.to(windows.device)].view_as(windows)
        parts = [in_chunks(block, moved[self.inner :], self.mask.to(windows.device))]
        if self.inner:
            parts.insert(0, in_chunks(block, moved[: self.inner]))
        return torch.cat(parts).flatten(0, 1)[self.back.to(windows.device)].view_as(windows)


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def relative_positions() -> Tensor:
    """Row of the bias table for each query and key of a window, `(49, 49)`: (Δrow + 6)·13 + (Δcolumn + 6)."""
    steps = torch.arange(WINDOW)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(steps, steps, indexing="ij"))
    reach = WINDOW - 1
    return (rows[:, None] - rows + reach) * (2 * WINDOW - 1) + (columns[:, None] - columns + reach)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def shift_mask(height: int, width: int) -> Tensor:
    """-100 between pixels of a shifted window that were not neighbours before the wrap, `(h·w, 49, 49)`, else 0."""
    regions = [torch.arange(n).sub(n - WINDOW).div(WINDOW - SHIFT, rounding_mode="floor") for n in (height, width)]
    rows, columns = (region.clamp(-1, 1) for region in regions)
    labels = windows_of((rows[:, None] * 3 + columns)[None, None].float())[:, :, 0]
    return (labels[:, :, None] != labels[:, None, :]).float() * -100


def from_state(state: State, origin: str) -> SwinFuse:
    """The network from a flat checkpoint, with `stages` set to the form that the checkpoint was trained in.

    Checkpoints of the original hold layers that it never runs; they tell that only first blocks were trained.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    computed = ("relative_position_index", "attn_mask")
    kept = {key: value for key, value in state.items() if not key.endswith(computed)}
    blocks = {key.split(".")[2] for key in kept if key.startswith("EN1_0.blocks.")}
    net = fit(partial(SwinFuse, len(blocks) or DEPTH), kept, origin, unused=OFFICIAL)
    net.stages = "first" if any(key.startswith(OFFICIAL) for key in state) else "all"
    return net
