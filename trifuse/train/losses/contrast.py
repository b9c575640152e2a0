r"""A loss for fusing an anatomical with a functional volume that no fixed blend can meet.

What the second volume has and the first one lacks: where the second rises above its surroundings and the first one is
even, the second is shown, elsewhere the first. With \(C_2 = \max(0, G_\sigma * S_2 - G_\Sigma * S_2)\),
\(C_1 = |G_\sigma * S_1 - G_\Sigma * S_1|\) and the energies \(E_k = G_\tau * C_k^2\),

\[ F^* = s S_2 + (1 - s) S_1, \qquad s = \frac{E_2}{E_2 + a (E_1 + \epsilon)} \]

The terms of the paper reward a fixed blend of both volumes whatever they show (docs/dc2fusion.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from trifuse.train.losses.dc2fusion import similarities
from trifuse.train.losses.regional import blurred

FINE, COARSE, WINDOW = 1.5, 8.0, 3.0
"""Standard deviations in voxels: noise below, surroundings above, neighbourhood of the energies."""
SMALLEST = 25
"""Least side in voxels of volumes: means are mirrored at the borders."""
LEAN = 0.4
"""a: below 1 in favour of the second volume, which is smoother by nature and has less energy."""
EVEN = 0.02**2
"""Energy of the first volume that counts as none."""
STRUCTURE = 0.5
"""Weight of the dissimilarity beside the mean absolute difference."""


def loss(fused: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Distance of volumes `(B, 1, D, H, W)` in 0..1, sides of 25 or more, from what they should show."""
    aim = target(first, second)
    dissimilarity = 1 - similarities(fused, [aim])[0]
    return (fused - aim).abs().mean() + STRUCTURE * dissimilarity


@torch.no_grad()
def target(first: Tensor, second: Tensor) -> Tensor:
    """The volume to aim at."""
    share = standing_out(first, second)
    return share * second + (1 - share) * first


@torch.no_grad()
def standing_out(first: Tensor, second: Tensor) -> Tensor:
    """How much of the second volume is shown, 0..1 in each voxel."""
    volumes = torch.cat([first, second], dim=1)
    bands = blurred(volumes, FINE) - blurred(volumes, COARSE)
    energies = blurred(torch.cat([bands[:, :1].square(), bands[:, 1:].clamp_min(0).square()], dim=1), WINDOW)
    return energies[:, 1:] / (energies[:, 1:] + LEAN * (energies[:, :1] + EVEN))
