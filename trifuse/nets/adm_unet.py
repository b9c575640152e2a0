"""The U-Net of OpenAI's guided diffusion ("ADM"), the prior that DDFM and DDFM-PALM were published with.

Keys are those of the official files. Levels change resolution inside residual blocks without parameters, the noise
level scales and shifts the normalised features, and attention stands at the coarse levels.

Source: Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021, section 3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.errors import WeightsError
from trifuse.nets.padding import reflected_to_multiple
from trifuse.nets.state import fit

GROUPS = 32
"""Groups of every normalisation."""


@dataclass(frozen=True)
class ADMConfig:
    """The shape of a network; the defaults are the official unconditional one for 256 x 256 pixels.

    Attributes:
        in_channels, out_channels: of the image; the output holds noise and variance, one after the other.
        channels: width of the first level.
        multipliers: width of each level in units of `channels`; each further level has half the resolution.
        res_blocks: residual blocks per level on the way down (one more on the way up).
        attention_levels: levels with self-attention, counted from 0; the middle always has it.
        head_channels: channels of one attention head.
    """

    in_channels: int = 3
    out_channels: int = 6
    channels: int = 256
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    res_blocks: int = 2
    attention_levels: tuple[int, ...] = (3, 4, 5)
    head_channels: int = 64


def embedded(time: Tensor, channels: int) -> Tensor:
    """Cosines, then sines, of times `(B,)` at `channels // 2` frequencies from 1 down to 1e-4: `(B, channels)`."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=time.device) / half)
    angles = time.float()[:, None] * frequencies
    return functional.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, channels % 2))


class ResBlock(nn.Module):
    """Residual block; `resample` halves ("down") or doubles ("up") the resolution before the first convolution."""

    def __init__(self, entering: int, leaving: int, time: int, resample: str = "") -> None:
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, entering), nn.SiLU(), nn.Conv2d(entering, leaving, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * leaving))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, leaving), nn.SiLU(), nn.Identity(), nn.Conv2d(leaving, leaving, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if entering == leaving else nn.Conv2d(entering, leaving, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """`(B, entering, H, W)` and time features `(B, time)` -> `(B, leaving, H', W')`."""
        norm, swish, convolve = self.in_layers
        h = convolve(self._resampled(swish(norm(x))))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, dim=1)
        norm, *rest = self.out_layers
        h = torch.addcmul(shift, norm(h), 1 + scale)
        for layer in rest:
            h = layer(h)
        whole: Tensor = self.skip_connection(self._resampled(x)) + h
        return whole

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return functional.avg_pool2d(x, 2)
        return functional.interpolate(x, scale_factor=2.0) if self.resample == "up" else x


class Attention(nn.Module):
    """Self-attention over all pixels; query, key and value of one head lie side by side."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // head_channels)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        """`(B, C, H, W)` in and out."""
        batch, channels, height, width = x.shape
        flat = x.reshape(batch, channels, height * width)
        parts = self.qkv(self.norm(flat)).reshape(batch, self.heads, 3, channels // self.heads, height * width)
        q, k, v = parts.transpose(3, 4).unbind(dim=2)
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(batch, channels, -1)
        whole: Tensor = flat + self.proj_out(seen)
        return whole.reshape(batch, channels, height, width)


class Stage(nn.Sequential):
    """Layers of which those conditioned on time are given it."""

    def forward(self, x: Tensor, time: Tensor) -> Tensor:  # type: ignore[override]
        """`(B, C, H, W)` and time features -> features."""
        for layer in self:
            x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, time)
        return x


class ADMUNet(nn.Module):
    """Predicts noise and variance of an image from its noisy version."""

    def __init__(self, config: ADMConfig) -> None:
        super().__init__()
        self.config = config
        time = 4 * config.channels
        self.time_embed = nn.Sequential(nn.Linear(config.channels, time), nn.SiLU(), nn.Linear(time, time))
        width = config.channels * config.multipliers[0]
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(config.in_channels, width, 3, padding=1))])
        self.output_blocks = nn.ModuleList()
        widths = [width]
        for level, multiplier in enumerate(config.multipliers):
            for _ in range(config.res_blocks):
                self.input_blocks.append(Stage(*self._layers(width, multiplier * config.channels, level)))
                width = multiplier * config.channels
                widths.append(width)
            if level < len(config.multipliers) - 1:
                self.input_blocks.append(Stage(ResBlock(width, width, time, "down")))
                widths.append(width)
        middle = Attention(width, config.head_channels)
        self.middle_block = Stage(ResBlock(width, width, time), middle, ResBlock(width, width, time))
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for index in range(config.res_blocks + 1):
                layers = self._layers(width + widths.pop(), multiplier * config.channels, level)
                width = multiplier * config.channels
                if level and index == config.res_blocks:
                    layers.append(ResBlock(width, width, time, "up"))
                self.output_blocks.append(Stage(*layers))
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, config.out_channels, 3, padding=1)
        )

    def _layers(self, entering: int, leaving: int, level: int) -> list[nn.Module]:
        block: list[nn.Module] = [ResBlock(entering, leaving, 4 * self.config.channels)]
        if level in self.config.attention_levels:
            block.append(Attention(leaving, self.config.head_channels))
        return block

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Noisy images `(B, C, H, W)` and times `(B,)` (steps of training, 0..999) -> `(B, C', H, W)`; any H and W."""
        height, width = x.shape[2:]
        known = self.time_embed(embedded(time, self.config.channels).to(x.dtype))
        h = reflected_to_multiple(x, 2 ** (len(self.config.multipliers) - 1))
        waiting = []
        for stage in self.input_blocks:
            h = stage(h, known)
            waiting.append(h)
        h = self.middle_block(h, known)
        for stage in self.output_blocks:
            h = stage(torch.cat([h, waiting.pop()], dim=1), known)
        said: Tensor = self.out(h)
        return said[:, :, :height, :width]


def config_of(state: Mapping[str, Tensor], head_channels: int = 64) -> ADMConfig:
    """The shape of the network that a checkpoint belongs to; heads leave no trace in it.

    Raises:
        WeightsError: if it is no checkpoint of such a network.
    """
    if "time_embed.0.weight" not in state or "input_blocks.0.0.weight" not in state:
        raise WeightsError("no checkpoint of a guided-diffusion U-Net: it lacks time_embed or input_blocks")
    if not any(re.match(r"output_blocks\.\d+\.", key) for key in state):
        raise WeightsError("no checkpoint of a guided-diffusion U-Net: it lacks output_blocks (a classifier's?)")
    channels = state["time_embed.0.weight"].shape[1]
    stages = 1 + max(int(match[1]) for key in state if (match := re.match(r"output_blocks\.(\d+)\.", key)))
    doubling = {
        match[1] for key in state if (match := re.match(r"output_blocks\.(\d+)\.[12]\.in_layers\.0\.weight", key))
    }
    levels = len(doubling) + 1
    res_blocks = stages // levels - 1
    first = [1 + level * (res_blocks + 1) for level in range(levels)]
    try:
        widths = [state[f"input_blocks.{index}.0.in_layers.2.weight"].shape[0] for index in first]
    except KeyError as error:
        raise WeightsError(
            f"no checkpoint of a guided-diffusion U-Net with resampling residual blocks: {error}"
        ) from None
    return ADMConfig(
        in_channels=state["input_blocks.0.0.weight"].shape[1],
        out_channels=state["out.2.weight"].shape[0],
        channels=channels,
        multipliers=tuple(width // channels for width in widths),
        res_blocks=res_blocks,
        attention_levels=tuple(
            level for level, index in enumerate(first) if f"input_blocks.{index}.1.qkv.weight" in state
        ),
        head_channels=head_channels,
    )


def from_state(state: Mapping[str, Tensor], origin: str = "checkpoint", head_channels: int = 64) -> ADMUNet:
    """The network with the weights of a flat checkpoint, in evaluation mode.

    Raises:
        WeightsError: if an entry is missing, of another shape, or foreign.
    """
    try:
        config = config_of(state, head_channels)
    except WeightsError as error:
        raise WeightsError(f"{origin}: {error}") from None
    return fit(lambda: ADMUNet(config), state, origin)
