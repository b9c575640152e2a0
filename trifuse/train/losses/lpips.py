"""LPIPS as a loss, from weights of the user's.

Source: Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trifuse.metrics.lpips import checkpoint, layers, load

BACKBONE = "alex"
LEAST = 31
"""Smallest side of a picture that the network can look at."""


def check() -> None:
    """Reads the weights, so that a run without them ends before it begins.

    Raises:
        WeightsError: if there are none (TRIFUSE_LPIPS, or `trifuse weights add lpips FILE`), or they are damaged.
    """
    load(checkpoint(None), BACKBONE)


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean LPIPS (AlexNet) of RGB pictures `(B, 3, H, W)`, values -1..1, a scalar; gradients flow to `x` alone.

    Raises:
        WeightsError: as `check` does.
    """
    path = checkpoint(None)
    parameters = {name: value.to(x) for name, value in load(path, BACKBONE).items()}
    with torch.no_grad():
        wanted = layers(y, parameters, BACKBONE)
    pairs = zip(layers(x, parameters, BACKBONE), wanted, strict=True)
    parts = [((a - b).square() * parameters[f"lin{k}.weight"]).sum(dim=1).mean() for k, (a, b) in enumerate(pairs)]
    return torch.stack(parts).sum()
