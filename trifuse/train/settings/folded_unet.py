"""Settings of the U-Net that the diffusion models share."""

from __future__ import annotations

from pydantic import Field

from trifuse.train.settings.part import Part


class FoldedUNetSettings(Part):
    """Shape of a U-Net on folded pictures; see `trifuse.train.folded_unet`.

    Attributes:
        unshuffle: side of the blocks that are folded into channels before the U-Net and unfolded after it; 2 makes it
            four times cheaper.
        channels, multipliers, res_blocks, norm_groups, attention_levels, dropout: as in `UNetConfig`.
    """

    unshuffle: int = Field(default=2, ge=1)
    channels: int = 32
    multipliers: tuple[int, ...] = (1, 2, 2)
    res_blocks: int = 1
    norm_groups: int = 8
    attention_levels: tuple[int, ...] = ()
    dropout: float = 0.0
