r"""The loss of DILRAN's auto-encoder: \(L = \mathrm{MSE} + \lambda_1 G + \lambda_2 V\), edges and features.

Source: Zhou, Xu, Zhang, arXiv 2212.04661, 2022, section 2.4; settings of the published weights
\(\lambda_1 = \lambda_2 = 0.2\).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.train.losses.cddfuse import sobel

Features = Callable[[Tensor], Sequence[Tensor]]


def sobel_loss(output: Tensor, target: Tensor) -> Tensor:
    """G: mean squared differences of the magnitudes of the horizontal and of the vertical Sobel derivative, added.

    Signs are lost, as in the original; the outermost pixels take no part.
    """
    ours, theirs = (sobel(image)[..., 1:-1, 1:-1].abs() for image in (output, target))
    return (ours - theirs).square().mean(dim=(0, 2, 3)).sum()


def perceptual(features: Features, output: Tensor, target: Tensor) -> Tensor:
    """V: sum over the layers of the mean squared differences between features."""
    pairs = zip(features(output), features(target), strict=True)
    return torch.stack([functional.mse_loss(ours, theirs) for ours, theirs in pairs]).sum()


def loss(
    output: Tensor, target: Tensor, features: Features | None, weights: tuple[float, float] = (0.2, 0.2)
) -> Tensor:
    """The loss of a batch `(B, 1, H, W)` in 0..1; without `features` the term V is left out."""
    total = functional.mse_loss(output, target) + weights[0] * sobel_loss(output, target)
    return total if features is None else total + weights[1] * perceptual(features, output, target)
