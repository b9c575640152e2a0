"""Settings of the task `unconditional`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.folded_unet import FoldedUNetSettings


class Unconditional(FoldedUNetSettings):
    """A diffusion model of single grey pictures, with no condition: a prior for methods that bring their own data term.

    Attributes:
        whole: share of training patches that show a whole slice, made smaller; the others are cut at full resolution.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        val_every: which of the validation pictures are measured during training.
    """

    task: Literal["unconditional"] = "unconditional"
    whole: float = Field(default=0.5, ge=0, le=1)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)
