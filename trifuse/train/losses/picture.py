"""What a recipe weighs of a picture: L1, MSE, 1 - SSIM, LPIPS and distance in average gradient."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trifuse.core.colour import LUMA
from trifuse.train.losses import lpips
from trifuse.train.losses.ssim import ssim_map
from trifuse.train.settings.loss import Loss

FLAT = 1e-4
"""Gradient, in units of the values, below which its length is rounded off, so that black has a derivative."""


def picture_terms(estimate: Tensor, truth: Tensor, weights: Loss) -> dict[str, Tensor]:
    """The terms of a loss by the names of their weights; those without weight that cost time are left out.

    Args:
        estimate, truth: `(B, 3, H, W)`, values -1..1; L1, MSE and average gradient are those of values 0..1.
    """
    error = (estimate - truth) / 2
    terms = {"l1": error.abs().mean(), "mse": error.square().mean()}
    if weights.ssim:
        terms["ssim"] = 1 - ssim_map(estimate.clamp(-1, 1), truth, 2.0).mean()
    if weights.lpips:
        terms["lpips"] = lpips.distance(estimate, truth)
    if weights.average_gradient:
        terms["average_gradient"] = (average_gradient(estimate) - average_gradient(truth)).abs().mean() / 2
    return terms


def weighed(terms: Mapping[str, Tensor], weights: Loss) -> Tensor:
    """The sum of terms, each times its weight."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


def average_gradient(pictures: Tensor) -> Tensor:
    """AG of luma of each picture `(B, 3, H, W)`, `(B,)`: what the metric `ag` measures, differentiable.

    What is nearest in the mean square is smoother than the truth; this term asks for its sharpness as a whole, wherever
    it may be put at the least cost.
    """
    luma = torch.einsum("bchw,c->bhw", pictures, pictures.new_tensor(LUMA))
    down, right = torch.gradient(luma, dim=(1, 2))
    return ((down.square() + right.square()) / 2 + FLAT**2).sqrt().mean(dim=(1, 2))
