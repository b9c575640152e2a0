"""The loss of a picture that a recipe weighs: L1, MSE, 1 - SSIM and LPIPS."""

from __future__ import annotations

from torch import Tensor

from trifuse.diffusion.losses import ssim_map
from trifuse.train.losses import lpips
from trifuse.train.recipe import Loss


def picture_loss(estimate: Tensor, truth: Tensor, weights: Loss) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and its terms for the log; terms without weight that cost time are left out.

    Args:
        estimate, truth: `(B, 3, H, W)`, values -1..1; L1 and MSE are those of values 0..1.
    """
    error = (estimate - truth) / 2
    terms = {"l1": error.abs().mean(), "mse": error.square().mean()}
    loss = weights.l1 * terms["l1"] + weights.mse * terms["mse"]
    if weights.ssim:
        terms["ssim"] = 1 - ssim_map(estimate.clamp(-1, 1), truth, 2.0).mean()
        loss = loss + weights.ssim * terms["ssim"]
    if weights.lpips:
        terms["lpips"] = lpips.distance(estimate, truth)
        loss = loss + weights.lpips * terms["lpips"]
    return loss, {name: term.detach() for name, term in terms.items()}
