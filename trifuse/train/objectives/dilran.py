"""DILRAN: reproduce single pictures, with their edges and features.

Source: Zhou, Xu, Zhang, arXiv 2212.04661, 2022, section 2.4.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, cast

import torch
from torch import Tensor, nn

from trifuse.methods.dilran import sfnn
from trifuse.nets.dilran import DILRAN
from trifuse.train.losses import dilran
from trifuse.train.objectives.base import Patches, check_file
from trifuse.train.objectives.pairs import Features, PairObjective, PairsWithFeatures, Terms, features_of


class Settings(PairsWithFeatures):
    """Settings of the objective `dilran`."""

    task: Literal["dilran"] = "dilran"


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
        return {"loss": dilran.loss(output, pictures, self.features), "mse": error}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        net = cast(DILRAN, network)
        image: Tensor = net.recon(sfnn(net.fe(torch.cat([first, second]), batch_statistics=True)))
        return image
