"""The U-Net of the diffusion models that are trained here."""

from __future__ import annotations

import torch

from trifuse.nets.folded import Folded
from trifuse.nets.sr3_config import SEScope, UNetConfig
from trifuse.nets.sr3_unet import SR3UNet
from trifuse.train.settings.folded_unet import FoldedUNetSettings


def folded_unet(settings: FoldedUNetSettings, inputs: int, outputs: int, se_scope: SEScope = "none") -> Folded:
    """A new network from `inputs` to `outputs` channels of pictures, folded by `settings.unshuffle`."""
    block = settings.unshuffle**2
    shape = UNetConfig(
        in_channels=inputs * block,
        out_channels=outputs * block,
        channels=settings.channels,
        multipliers=settings.multipliers,
        res_blocks=settings.res_blocks,
        attention_levels=settings.attention_levels,
        dropout=settings.dropout,
        norm_groups=settings.norm_groups,
        se_scope=se_scope,
    )
    network: Folded = Folded(SR3UNet(shape), settings.unshuffle).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
