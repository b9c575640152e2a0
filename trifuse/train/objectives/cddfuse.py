"""CDDFuse: first take images apart and put them together again, then fuse them.

In the second part the decoder gets no residual, as the medical weights are used.

Source: Zhao et al., "CDDFuse", CVPR 2023, eq. 8-13.
"""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field
from torch import Tensor, nn

from trifuse.nets.cddfuse import CDDFuse
from trifuse.train.losses import cddfuse
from trifuse.train.losses.regional import SMALLEST
from trifuse.train.objectives.base import Patches
from trifuse.train.objectives.pairs import PairObjective, Pairs, Terms


class Settings(Pairs):
    """Settings of the objective `cddfuse`.

    Attributes:
        first_stage: steps that learn to take images apart and put them together, before fusing is learned.
        residual: whether the decoder is given the picture that it makes again in the first stage, as in the authors'
            program; without it that stage has something to learn.
        loss: what the second stage compares the fused picture with; "paper": the brighter source and the larger
            absolute slope at each pixel (eq. 12-13); "regional": see `trifuse.train.losses.regional`.
    """

    task: Literal["cddfuse"] = "cddfuse"
    first_stage: int = Field(default=0, ge=0)
    residual: bool = True
    loss: Literal["paper", "regional"] = "paper"


class CDDFuseObjective(PairObjective[Settings]):
    """See `PairObjective`."""

    Settings = Settings

    @property
    def patches(self) -> Patches:
        """See `Objective`; the regional loss mirrors wide means at the borders."""
        return Patches(least=SMALLEST if self.settings.loss == "regional" else 6)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return CDDFuse()

    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `PairObjective`."""
        net = cast(CDDFuse, network)
        if step < self.settings.first_stage:
            total, terms = cddfuse.stage1(net, first, second, residual=self.settings.residual)
        else:
            match = {"paper": cddfuse.fusion, "regional": cddfuse.regional}[self.settings.loss]
            total, terms = cddfuse.stage2(net, first, second, residual=False, match=match)
        return {"loss": total, "decomposition": terms["decomposition"]}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `PairObjective`."""
        image: Tensor = network([first, second])
        return image
