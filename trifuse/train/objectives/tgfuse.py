"""TGFuse: be like the livelier source, and do not let two critics tell the fused image from the sources.

The generator minimises (1 - S), and after a first part the distances of VGG features too, relu1_2 to the visible and
relu3_3 to the infrared image; each critic maximises its own distance, which is in units of the mean feature of the
source, and bounded (d / (1 + d)), so that a critic gains ever less by growing. The published program lets both minimise
it and never shows it to the generator.

Source: Rao, Wu, Xu, "TGFuse", IEEE TIP 2023, section III-C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from trifuse.methods.tgfuse import padded_minimal
from trifuse.nets.tgfuse import TGFuse
from trifuse.nets.vgg import VGGFeatures
from trifuse.train.losses import tgfuse
from trifuse.train.objectives.base import Patches, check_file
from trifuse.train.objectives.pairs import PairObjective, Pairs, Terms, vgg_of, with_black, with_regional
from trifuse.train.settings.part import Expanded

GREY = 100.0
"""Scale of the picture that a new TGFuse makes, in levels of 0..255."""


class Settings(Pairs):
    """Settings of the objective `tgfuse`.

    Attributes:
        first_stage: steps by structural similarity alone, before the critics join.
        spatial_width: width of the spatial transformer; 2048 as published.
        perceptual: weights of the distances that the two critics see.
        vgg: weights of VGG-16 (`trifuse.nets.vgg`) that the critics start from; random if not given.
        regional: weight of a loss that the paper does not have beside its own: distance of the fused picture from the
            regional target (`trifuse.train.losses.regional`).
        black: weight of another: what the fused picture shows where both sources are black.
    """

    task: Literal["tgfuse"] = "tgfuse"
    first_stage: int = Field(default=0, ge=0)
    spatial_width: int = Field(default=256, ge=16)
    perceptual: tuple[float, float] = (0.1, 0.1)
    vgg: Expanded | None = None
    regional: float = Field(default=0.0, ge=0)
    black: float = Field(default=0.0, ge=0)


class Critics(nn.Module):
    """A generator and the two extractors of features that judge it; only the generator is kept in the end."""

    def __init__(self, network: TGFuse, critics: Sequence[VGGFeatures]) -> None:
        super().__init__()
        self.network = network
        self.critics = nn.ModuleList(critics)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """What the generator makes."""
        fused: Tensor = self.network(visible, infrared)
        return fused


class TGFuseObjective(PairObjective[Settings]):
    """See `PairObjective`."""

    Settings = Settings
    patches = Patches(least=128, multiple=128)

    def check(self) -> None:
        """See `Objective`."""
        super().check()
        check_file(self.settings.vgg, "model.vgg")

    def build(self) -> nn.Module:
        """See `Objective`."""
        given = self.settings.vgg
        critics = [VGGFeatures() if given is None else vgg_of(given) for _ in range(2)]
        for critic in critics:
            critic.train().requires_grad_(True)
        network = TGFuse(self.settings.spatial_width)
        with torch.no_grad():  # pictures are in 0..255, the output of a new network in -1..1
            network.conv_out.conv2d.weight.mul_(GREY)
        return Critics(network, critics)

    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `PairObjective`."""
        visible, infrared = 255 * first, 255 * second
        fused = network(visible, infrared)
        pair = cast(Critics, getattr(network, "module", network))
        structure = 1 - tgfuse.structural(fused, visible, infrared, ties=1)
        terms = {"loss": structure, "structure": structure.detach(), "critics": torch.zeros(())}
        if self.settings.regional:
            terms = with_regional(terms, self.settings.regional, fused / 255, first, second)
        if self.settings.black:
            terms = with_black(terms, self.settings.black, fused / 255, first, second)
        if step < self.settings.first_stage:
            return terms
        loss, contest = terms["loss"], torch.zeros_like(structure)
        for critic, source, slices, weight in zip(
            pair.critics, (visible, infrared), (1, 3), self.settings.perceptual, strict=True
        ):
            frozen = {name: value.detach() for name, value in critic.named_parameters()}
            loss = loss + weight * _distance(critic, frozen, fused, source, slices)
            contest = contest - _distance(critic, dict(critic.named_parameters()), fused.detach(), source, slices)
        return terms | {"loss": loss + contest, "critics": -contest.detach()}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        height, width = first.shape[2:]
        image: Tensor = network(padded_minimal(255 * first), padded_minimal(255 * second))
        return image[:, :, :height, :width] / 255


def _distance(critic: nn.Module, weights: dict[str, Tensor], fused: Tensor, source: Tensor, slices: int) -> Tensor:
    """d / (1 + d) of the mean absolute distance d of features, in units of the source's mean; images in 0..255."""
    both = torch.cat([fused, source]) / 255
    ours, theirs = functional_call(critic, weights, (both, slices))[-1].chunk(2)
    relative: Tensor = (ours - theirs).abs().mean() / theirs.abs().mean().clamp_min(1e-6)
    return relative / (1 + relative)
