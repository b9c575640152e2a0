"""U2Fusion: keep of each source what its information measure says.

Source: Xu et al., "U2Fusion", IEEE TPAMI 44(1), 2022, section 3.3.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.nets.u2fusion import U2Fusion
from trifuse.train.losses import u2fusion
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
    """Settings of the objective `u2fusion`.

    Attributes:
        temperature: c of eq. 2, over which the information measures of the sources are compared, for features of
            images in 0..255.
        regional: weight of a loss that the paper does not have beside its own: distance of the fused picture from the
            regional target (`trifuse.train.losses.regional`).
    """

    task: Literal["u2fusion"] = "u2fusion"
    temperature: float = Field(default=300.0, gt=0)
    regional: float = Field(default=0.0, ge=0)


class U2FusionObjective(PairObjective[Settings]):
    """See `PairObjective`."""

    Settings = Settings
    patches = Patches(least=11)

    def check(self) -> None:
        """See `Objective`."""
        super().check()
        check_file(self.settings.vgg, "model.vgg")

    @cached_property
    def features(self) -> Features:
        """What information is measured on."""
        return features_of(self.settings.vgg)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return U2Fusion()

    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `PairObjective`; the sources change places in every other step, as in the original's batches."""
        if step % 2:
            first, second = second, first
        with torch.no_grad():
            one, other = (u2fusion.information(list(self.features(255 * source))) for source in (first, second))
            degrees = u2fusion.preservation(one, other, self.settings.temperature)
        fused = network(first, second)
        terms = {"loss": u2fusion.loss((first, second), fused, degrees)}
        weight = self.settings.regional
        return with_regional(terms, weight, fused, first, second) if weight else terms

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        image: Tensor = network(first, second)
        return image
