r"""A learned fusing rule: what to add to the analytic fusion when the sources had to be enlarged.

An analytic fusion such as BitonicX takes, at each place and level, the source with the largest detail. Detail that an
enlargement has guessed is smaller than the true one, in one source more than in another, so that the choice errs; the
least squared error lies a little towards the brightest source. With the analytic fusion \(c\), the brightest source
\(m\) (`trifuse.diffusion.conditions.brightest`), and \(w, r\) said by a small convolutional network,

\[ p = c + w \, (m - c) + r \]

The network takes as input the sources as differences from \(c\), in which the choice lies open, works at full
resolution with dilated convolutions (Yu and Koltun, ICLR 2016), and has no normalisation: brightness is what it is
about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (1, 2, 4, 2, 1)
"""Of the residual convolutions."""

REACH = sum(DILATIONS) + 2
"""How far a pixel of the answer sees on each side."""

WEIGHT = 0.2
"""Share of the brightest source that training begins with."""


class FusionRule(nn.Module):
    """Corrects the analytic fusion of three enlarged sources.

    Args:
        width: channels.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv2d(16, width, 3, padding=1)
        self.body = nn.ModuleList([nn.Conv2d(width, width, 3, padding=each, dilation=each) for each in DILATIONS])
        self.leave = nn.Conv2d(width, 6, 3, padding=1)
        with torch.no_grad():
            self.leave.weight.mul_(0.05)
            self.leave.bias.zero_()  # type: ignore[union-attr]

    def forward(self, sources: Sequence[Tensor], analytic: Tensor, brightest: Tensor, scale: int) -> Tensor:
        """The fused picture `(B, 3, H, W)`, not clipped; black where all is black.

        Args:
            sources: three pictures `(B, 3, H, W)`, values 0..1, enlarged.
            analytic: the analytic fusion of those.
            brightest: the picture of the largest luma of those.
            scale: by which the sources were enlarged.
        """
        differences = [source - analytic for source in sources]
        towards = brightest - analytic
        magnification = torch.full_like(analytic[:, :1], log2(scale) / 3)
        features = functional.relu(self.enter(torch.cat([*differences, analytic, towards, magnification], dim=1)))
        for layer in self.body:
            features = features + functional.relu(layer(features))
        weight, rest = self.leave(features).chunk(2, dim=1)
        foreground = torch.cat([*sources, analytic], dim=1).amax(dim=1, keepdim=True) > 0
        fused: Tensor = analytic + foreground * ((WEIGHT + weight) * towards + 0.1 * rest)
        return fused

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> FusionRule:
        """The network that a state_dict belongs to, with the weights loaded."""
        network = cls(state["enter.weight"].shape[0])
        network.load_state_dict(dict(state))
        return network
