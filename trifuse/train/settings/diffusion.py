"""Settings of the tasks `tfs-diff` and `sr3`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trifuse.train.settings.folded_unet import FoldedUNetSettings
from trifuse.train.settings.part import Expanded, Part


class Truth(Part):
    """How the picture to learn is made from sources at full resolution.

    Attributes:
        method: a fusing method of this package.
        options: its options.
    """

    method: str = "bitonicx"
    options: dict[str, Any] = Field(default_factory=dict)


class Diffusion(FoldedUNetSettings):
    """A conditional diffusion model.

    Attributes:
        task: "tfs-diff" (three sources, fused) or "sr3" (one picture, enlarged).
        se_scope: where TMFA stands: on the condition (paper), on the whole input (program), or "none".
        condition: "closed-form": sources upsampled by the network `upsampler`, the fusing method applied to them as a
            further condition, to which the diffusion is relative; "learned": those sources alone, for speed, and
            "bicubic": the bicubic sources alone (paper), both relative to the brightest source.
        upsampler: weights of a source-sr network.
        pure_noise: share of training pictures at the noisiest level, where the model makes its one-step estimate.
        temperature: share of the noise that a one-step picture begins with, and that those training pictures have, at
            each scale; 1 where not named.
        squares: number of training squares, each cut from a case in another contrast, palette and pose, and fused anew.
        square: their side in pixels.
        shares: how often cases of a kind (column `kind` of a table; for sr3 the beginning of the file name) are
            drawn; 1 where not named.
        val_every: which of the validation cases are measured during training.
        cache: folder for fused pictures and conditions.
    """

    task: Literal["tfs-diff", "sr3"]
    se_scope: Literal["condition", "input", "none"] = "condition"
    condition: Literal["closed-form", "learned", "bicubic"] = "closed-form"
    upsampler: Expanded | None = None
    truth: Truth = Truth()
    pure_noise: float = Field(default=0.5, ge=0, le=1)
    temperature: dict[int, float] = Field(default_factory=dict)
    squares: int = Field(default=600, ge=1)
    square: int = Field(default=128, ge=16)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)
    cache: Expanded = Path("cache")
