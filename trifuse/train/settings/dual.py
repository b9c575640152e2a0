"""Settings of the tasks of the dual-modal networks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.part import Expanded, Part


class DualModal(Part):
    """One of the dual-modal networks, taught as its paper does; see `trifuse.train.lessons`.

    Attributes:
        task: which network.
        shares: how often cases of a kind (column `kind` of a table) are drawn; 1 where not named.
        by_patient: every patient of a kind is drawn as often as any other, instead of every case.
        val_every: which of the validation pairs are measured during training.
        vgg: weights of VGG-16 (`trifuse.nets.vgg`) for losses that compare its features; fixed derivative filters
            (`trifuse.train.derivatives`) stand in for it if not given, as ImageNet's weights cannot be shipped.
        first_stage: cddfuse: steps that learn to take images apart and put them together, before fusing is learned;
            tgfuse: steps by structural similarity alone, before the critics join.
        residual: cddfuse: whether the decoder is given the picture that it makes again in the first stage, as in the
            authors' program; without it that stage has something to learn.
        loss: cddfuse: what the second stage compares the fused picture with; "paper": the brighter source and the
            larger absolute slope at each pixel (eq. 12-13); "regional": see `trifuse.train.losses.regional`.
        temperature: u2fusion: c, over which the information measures of the sources are compared.
        spatial_width: tgfuse: width of the spatial transformer; 2048 as published.
        perceptual: tgfuse: weights of the distances that the two critics see.
        depth: swinfuse: blocks per stage; 6 as published.
        structure: swinfuse: weight of the structural similarity beside the absolute error; 1000 as published.
    """

    task: Literal["cddfuse", "dilran", "swinfuse", "tgfuse", "u2fusion"]
    shares: dict[str, float] = Field(default_factory=dict)
    by_patient: bool = False
    val_every: int = Field(default=1, ge=1)
    vgg: Expanded | None = None
    first_stage: int = Field(default=0, ge=0)
    residual: bool = True
    loss: Literal["paper", "regional"] = "paper"
    temperature: float = Field(default=300.0, gt=0)
    spatial_width: int = Field(default=256, ge=16)
    perceptual: tuple[float, float] = (0.1, 0.1)
    depth: int = Field(default=6, ge=1)
    structure: float = Field(default=1000.0, ge=0)
