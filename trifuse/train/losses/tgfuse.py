r"""The losses of TGFuse: structural similarity to the livelier source, and distances between VGG features.

The published program never lets the discriminators act on the generator; `perceptual` is how they can: as frozen
feature extractors, in the spirit of the paper.

Source: Rao, Wu, Xu, "TGFuse", IEEE TIP 2023, section III-C.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trifuse.train.losses.ssim import similarity, smoothed

TOP = 255.0


def local_variance(image: Tensor) -> Tensor:
    r"""\(G * x^2 - (G * x)^2\) with a 9x9 Gaussian of deviation 1.5, zeros outside; `(B, 1, H, W)`."""
    mean, square = smoothed(torch.cat([image, image.square()]), size=9, border="zeros").chunk(2)
    return square - mean.square()


def structural(fused: Tensor, visible: Tensor, infrared: Tensor, *, ties: float = 0.0) -> Tensor:
    """Mean S over the pixels of the SSIM between the fused image and the source with the larger local variance.

    Args:
        fused: `(B, 1, H, W)` in 0..255.
        visible: likewise.
        infrared: likewise.
        ties: share of the mean of both SSIMs where the variances are equal: 0 as published (a constant floor of the
            loss in flat regions), 1 as it should be.
    """
    with torch.no_grad():
        lead = local_variance(infrared) - local_variance(visible)
    like_infrared = similarity(infrared, fused, top=TOP, border="zeros").ssim
    like_visible = similarity(visible, fused, top=TOP, border="zeros").ssim
    chosen = torch.where(lead > 0, like_infrared, like_visible)
    return torch.where(lead == 0, ties * (like_infrared + like_visible) / 2, chosen).mean()


def generator(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """The published loss of the generator, (1 - S)/B."""
    return (1 - structural(fused, visible, infrared)) / len(fused)


def perceptual(features: Callable[[Tensor], Tensor], fused: Tensor, source: Tensor) -> Tensor:
    """Mean absolute distance of the features of two batches; over B it is a discriminator's loss."""
    return (features(fused) - features(source)).abs().mean()
