"""Settings of the tasks `tfs-diff` and `sr3`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.folded_unet import FoldedUNetSettings
from trifuse.train.settings.part import Expanded
from trifuse.train.settings.prepared import Prepared


class Diffusion(FoldedUNetSettings, Prepared):
    """A conditional diffusion model.

    Attributes:
        task: "tfs-diff" (three sources, fused) or "sr3" (one picture, enlarged).
        se_scope: where TMFA stands: on the condition (paper), on the whole input (program), or "none".
        condition: "closed-form": sources upsampled by the network `upsampler`, the fusing method applied to them as a
            further condition, to which the diffusion is relative; "learned": those sources alone, for speed, and
            "bicubic": the bicubic sources alone (paper), both relative to the brightest source.
        rule: weights of a fusion-rule network that corrects the closed form; none unless given.
        pure_noise: share of training pictures at the noisiest level, where the model makes its one-step estimate.
        temperature: share of the noise that a one-step picture begins with, and that those training pictures have, at
            each scale; 1 where not named.
    """

    task: Literal["tfs-diff", "sr3"]
    se_scope: Literal["condition", "input", "none"] = "condition"
    condition: Literal["closed-form", "learned", "bicubic"] = "closed-form"
    rule: Expanded | None = None
    pure_noise: float = Field(default=0.5, ge=0, le=1)
    temperature: dict[int, float] = Field(default_factory=dict)
