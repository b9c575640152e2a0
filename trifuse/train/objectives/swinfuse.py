"""SwinFuse: reproduce single pictures in -1..1 by L1 and multi-scale SSIM.

Patches are smaller than the original's 224 pixels, so that fewer scales fit.

Source: Wang et al., "SwinFuse", IEEE TIM 71, 2022, section III-C.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.methods.swinfuse import blended, fused_whole
from trifuse.nets.swinfuse import SwinFuse
from trifuse.train.losses import swinfuse
from trifuse.train.objectives.base import Patches
from trifuse.train.objectives.pairs import PairObjective, Pairs, Terms, with_black, with_regional


class Settings(Pairs):
    """Settings of the objective `swinfuse`.

    Attributes:
        depth: blocks per stage of the network; 6 as published.
        structure: weight of the structural similarity beside the absolute error; 1000 as published.
        regional: weight of a loss that the paper does not have beside its own: distance of the fused picture from the
            regional target (`trifuse.train.losses.regional`).
        black: weight of another: what the fused picture shows where both sources are black.
    """

    task: Literal["swinfuse"] = "swinfuse"
    depth: int = Field(default=6, ge=1)
    structure: float = Field(default=1000.0, ge=0)
    regional: float = Field(default=0.0, ge=0)
    black: float = Field(default=0.0, ge=0)


class SwinFuseObjective(PairObjective[Settings]):
    """See `PairObjective`."""

    Settings = Settings
    patches = Patches(least=14, multiple=7)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return SwinFuse(self.settings.depth)

    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `PairObjective`."""
        pictures = 2 * torch.cat([first, second]) - 1
        if not (self.settings.regional or self.settings.black):
            return self._reproduced(network(pictures), pictures)
        net = cast(SwinFuse, network)
        features = net.encode(pictures, "all")
        one, other = features.chunk(2)
        fused = net.decode(blended(one, other, "l1_mean") / 2) / 2 + 0.5
        terms = self._reproduced(net.decode(features), pictures)
        if self.settings.regional:
            terms = with_regional(terms, self.settings.regional, fused, first, second)
        return with_black(terms, self.settings.black, fused, first, second) if self.settings.black else terms

    def _reproduced(self, output: Tensor, pictures: Tensor) -> Terms:
        error = (output.detach() - pictures).square().mean() / 4
        return {"loss": swinfuse.loss(output, pictures, weight=self.settings.structure), "mse": error}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        return fused_whole(cast(SwinFuse, network), [2 * first - 1, 2 * second - 1], "l1_mean")
