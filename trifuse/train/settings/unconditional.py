"""Settings of the task `unconditional`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.part import Part


class Unconditional(Part):
    """A diffusion model of single grey pictures, with no condition: a prior for methods that bring their own data term.

    Attributes:
        unshuffle: side of the blocks that are folded into channels before the U-Net and unfolded after it.
        channels, multipliers, res_blocks, norm_groups, attention_levels, dropout: the U-Net's shape.
        whole: share of training patches that show a whole slice, made smaller; the others are cut at full resolution.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        val_every: which of the validation pictures are measured during training.
    """

    task: Literal["unconditional"] = "unconditional"
    unshuffle: int = Field(default=2, ge=1)
    channels: int = 32
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    res_blocks: int = 1
    norm_groups: int = 8
    attention_levels: tuple[int, ...] = ()
    dropout: float = 0.0
    whole: float = Field(default=0.5, ge=0, le=1)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)
