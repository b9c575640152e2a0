"""DILRAN: reproduce single pictures, with their edges and features.

Source: Zhou, Xu, Zhang, arXiv 2212.04661, 2022, section 2.4.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.methods.dilran import sfnn
from trifuse.nets.dilran import DILRAN
from trifuse.train.losses import dilran
from trifuse.train.objectives.base import Patches, check_file
from trifuse.train.objectives.pairs import (
    Features,
    PairObjective,
    PairsWithFeatures,
    Terms,
    features_of,
    with_regional,
)


class Settings(PairsWithFeatures):
    """Settings of the objective `dilran`.

    Attributes:
        regional: weight of a loss that the paper does not have beside its own: distance of the fused picture from the
            regional target (`trifuse.train.losses.regional`); the weights of its fusion rule get no gradient.
    """

    task: Literal["dilran"] = "dilran"
    regional: float = Field(default=0.0, ge=0)


class DILRANObjective(PairObjective[Settings]):
    """See `PairObjective`."""

    Settings = Settings
    patches = Patches(least=8, multiple=2)

    def check(self) -> None:
        """See `Objective`."""
        super().check()
        check_file(self.settings.vgg, "model.vgg")

    @cached_property
    def features(self) -> Features:
        """What pictures are compared by."""
        return features_of(self.settings.vgg)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return DILRAN()

    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `PairObjective`."""
        pictures = torch.cat([first, second])
        output = network(pictures)
        error = (output.detach() - pictures).square().mean()
        terms = {"loss": dilran.loss(output, pictures, self.features), "mse": error}
        if not self.settings.regional:
            return terms
        net = cast(DILRAN, network)
        pairs = zip(first.unsqueeze(1), second.unsqueeze(1), strict=True)
        fused = torch.cat([net.recon(sfnn(net.fe(torch.cat(pair), batch_statistics=True))) for pair in pairs])
        return with_regional(terms, self.settings.regional, fused, first, second)

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        net = cast(DILRAN, network)
        image: Tensor = net.recon(sfnn(net.fe(torch.cat([first, second]), batch_statistics=True)))
        return image
