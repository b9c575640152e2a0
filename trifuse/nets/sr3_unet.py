r"""The U-Net of SR3 and its descendants: one class for three published networks.

- TFS-Diff: 9 condition channels + 3 noisy ones, with a squeeze-and-excitation gate ("TMFA").
- SR3 `sr3`: 3 + 3 channels, no gate, conditioned on the continuous noise level \(\sqrt{\bar\alpha}\).
- SR3 `ddpm`: the same layers, conditioned on the integer time index.

Parameter names are those of the official checkpoints, which therefore load unchanged.

Source: Saharia et al., Image Super-Resolution via Iterative Refinement, TPAMI 2023, section 2 and appendix A;
Xu et al., Simultaneous Tri-Modal Medical Image Fusion and Super-Resolution using Conditional Diffusion Model,
MICCAI 2024, section 2.2. The programs depart from both papers in details (additive instead of affine noise
features, no rescaled skips); this class follows the programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from trifuse.core.errors import WeightsError
from trifuse.nets.padding import reflected_to_multiple
from trifuse.nets.sr3_config import UNetConfig, infer_config, network_state
from trifuse.nets.sr3_layers import Block, Downsample, ResidualWithAttention, SEBlock, SinusoidalEncoding, Upsample


class SR3UNet(nn.Module):
    """Predicts noise, clean image or velocity from the condition and the noisy image.

    Any image size is taken: sides are reflected to multiples of `2 ** (levels - 1)` and cropped back.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width, groups = config.channels, config.norm_groups
        encoding = SinusoidalEncoding(width, saved=config.embedding == "index")
        setattr(self, _mlp_name(config), _embedding_mlp(encoding, width))
        gated = {"input": config.in_channels, "condition": config.in_channels - config.out_channels, "none": 0}
        self.downs, skips = self._way_down()
        deepest = width * config.multipliers[-1]
        self.mid = nn.ModuleList([self._residual(deepest, deepest, True), self._residual(deepest, deepest, False)])
        self.ups = self._way_up(skips)
        self.final_conv = Block(width * config.multipliers[0], config.out_channels, groups)
        if config.se_scope != "none":
            self.SE_block = SEBlock(gated[config.se_scope])

    def _residual(self, before: int, after: int, attention: bool) -> ResidualWithAttention:
        return ResidualWithAttention(before, after, self.config, attention)

    def _way_down(self) -> tuple[nn.ModuleList, list[int]]:
        """Layers from full to lowest resolution, and the width of what each leaves for the way up."""
        config = self.config
        width = config.channels
        downs = nn.ModuleList([nn.Conv2d(config.in_channels, width, 3, padding=1)])
        skips = [width]
        for level, multiplier in enumerate(config.multipliers):
            for _ in range(config.res_blocks):
                downs.append(self._residual(width, config.channels * multiplier, level in config.attention_levels))
                width = config.channels * multiplier
                skips.append(width)
            if level < len(config.multipliers) - 1:
                downs.append(Downsample(width))
                skips.append(width)
        return downs, skips

    def _way_up(self, skips: list[int]) -> nn.ModuleList:
        """Layers from lowest to full resolution; each residual block takes the last of `skips` that is left."""
        config = self.config
        width = skips[-1]
        ups = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for _ in range(config.res_blocks + 1):
                after = config.channels * multiplier
                ups.append(self._residual(width + skips.pop(), after, level in config.attention_levels))
                width = after
            if level > 0:
                ups.append(Upsample(width))
        return ups

    def embed(self, level: Tensor) -> Tensor:
        """Features `(B, channels)` of noise levels (or time indices) of shape `(B,)` or `(B, 1)`."""
        mlp = cast(nn.Sequential, getattr(self, _mlp_name(self.config)))
        encoded = mlp[0](level.reshape(-1)).to(self.dtype)
        return cast(Tensor, mlp[3](mlp[2](mlp[1](encoded))))

    def gate(self, x: Tensor) -> Tensor:
        """Input `(B, in_channels, H, W)` with the channels in the gate's scope rescaled."""
        config = self.config
        if config.se_scope == "none":
            return x
        if config.se_scope == "input":
            return cast(Tensor, self.SE_block(x))
        condition, noisy = x[:, : -config.out_channels], x[:, -config.out_channels :]
        return torch.cat([self.SE_block(condition), noisy], dim=1)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters, in which the layers compute."""
        return self.downs[0].weight.dtype  # type: ignore[return-value]

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """What the network predicts.

        Args:
            x: `(B, in_channels, H, W)`, condition first, values about -1..1; any H and W.
            level: noise level (or time index) of each image, `(B,)` or `(B, 1)`.

        Returns:
            `(B, out_channels, H, W)` in the type of the parameters.
        """
        height, width = x.shape[2:]
        x = reflected_to_multiple(self.gate(x.to(self.dtype)), 2 ** (len(self.config.multipliers) - 1))
        features = self.embed(level)
        skips: list[Tensor] = []
        for layer in self.downs:
            x = layer(x, features) if isinstance(layer, ResidualWithAttention) else layer(x)
            skips.append(x)
        for layer in self.mid:
            x = layer(x, features)
        for layer in self.ups:
            if isinstance(layer, ResidualWithAttention):
                x = layer(torch.cat([x, skips.pop()], dim=1), features)
            else:
                x = layer(x)
        out: Tensor = self.final_conv(x)
        return out[:, :, :height, :width]


def from_state_dict(state: Mapping[str, Tensor], *, norm_groups: int = 32) -> SR3UNet:
    """The network that a checkpoint was saved from, in evaluation mode.

    The configuration is read off the names and shapes. Prefixes `module.` and `denoise_fn.` and the buffers of the
    noise schedule are ignored; the gate is optional, and its width tells its scope.

    Args:
        state: an official or own state_dict, of the network or of the diffusion wrapper.
        norm_groups: not to be seen in the shapes; 32 in the official networks, 16 in SR3's 64 -> 512.

    Raises:
        WeightsError: if the checkpoint belongs to another kind of network, or is incomplete.
    """
    plain = network_state(state)
    config = infer_config(plain, norm_groups)
    wrong = [m * config.channels for m in config.multipliers if m * config.channels % norm_groups]
    if wrong:
        raise WeightsError(
            f"checkpoint: {wrong[0]} channels cannot be normalised in {norm_groups} groups; give its norm_groups"
        )
    with torch.device("meta"):
        network = SR3UNet(config)
    network.to_empty(device="cpu")
    try:
        network.load_state_dict(plain)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"checkpoint does not fit an SR3 network: {reason}") from None
    return network.eval()


def _mlp_name(config: UNetConfig) -> str:
    return "noise_level_mlp" if config.embedding == "level" else "time_mlp"


def _embedding_mlp(encoding: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(encoding, nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
