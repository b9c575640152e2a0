r"""The unsupervised loss of U2Fusion: similarity to both sources, weighted by how much information each holds.

\[ L = \mathrm{mean}_k \sum_i s_{ik} (1 - \mathrm{SSIM}(I_{ik}, F_k)) + 20\, \mathrm{mean}_k \sum_i s_{ik}
   \mathrm{MSE}(I_{ik}, F_k) \]

Source: Xu et al., "U2Fusion", IEEE TPAMI 44(1), 2022, section 3.2-3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.train.losses.ssim import similarity

Weighting = Literal["corrected", "reference"]


def gradients(features: Tensor) -> Tensor:
    """Response of each channel of `(B, C, H, W)` to the 3x3 kernel of -1 amid eighths, zeros outside."""
    kernel = features.new_full((1, 1, 3, 3), 1 / 8)
    kernel[..., 1, 1] = -1
    return functional.conv2d(features, kernel.repeat(features.shape[1], 1, 1, 1), padding=1, groups=features.shape[1])


def information(layers: Sequence[Tensor]) -> Tensor:
    """Information measure `(B,)`: mean over the layers of the mean squared gradient of their features (eq. 1)."""
    return torch.stack([gradients(layer).square().mean(dim=(1, 2, 3)) for layer in layers]).mean(dim=0)


def preservation(first: Tensor, second: Tensor, c: float) -> Tensor:
    """Degrees s `(2, B)` to which each source is to be preserved: softmax of their information over c (eq. 2)."""
    return (torch.stack([first, second]) / c).softmax(dim=0)


def ssim(source: Tensor, fused: Tensor) -> Tensor:
    """Mean structural similarity of each image, `(B,)`."""
    return similarity(source, fused).ssim.mean(dim=(1, 2, 3))


def mse(source: Tensor, fused: Tensor) -> Tensor:
    """Mean squared difference of each image, `(B,)`."""
    return (source - fused).square().mean(dim=(1, 2, 3))


def loss(
    sources: tuple[Tensor, Tensor], fused: Tensor, degrees: Tensor, *, weighting: Weighting = "corrected"
) -> Tensor:
    """The loss of a batch.

    Args:
        sources: two `(B, 1, H, W)` in 0..1, sides of 11 or more.
        fused: likewise.
        degrees: `(2, B)` from `preservation`.
        weighting: "corrected" weights the squared errors image by image, as the paper says; "reference" has the
            product of the batch means, which is what the original's shapes come to.
    """
    structure = torch.stack([1 - ssim(source, fused) for source in sources])
    errors = torch.stack([mse(source, fused) for source in sources])
    if weighting == "reference":
        errors = errors.mean(dim=1, keepdim=True)
    weighted = degrees * structure + 20 * degrees * errors
    return weighted.sum(dim=0).mean()
