"""Fixed features in the place of ImageNet's: derivatives of an image on several scales.

VGG-16 trained on ImageNet is what DILRAN and U2Fusion measure images with; its weights cannot be part of this package.
What its early layers see are mostly oriented edges (Simonyan and Zisserman 2015; Zeiler and Fergus, ECCV 2014), and so
do these: horizontal, vertical and both diagonal derivatives of the image halved 0, 1, 2, ... times, rectified by sign.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

KERNELS = (
    ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    ((-2, -1, 0), (-1, 0, 1), (0, 1, 2)),
    ((0, -1, -2), (1, 0, -1), (2, 1, 0)),
)
"""Sobel kernels in four directions."""


def derivatives(image: Tensor, scales: int = 3) -> list[Tensor]:
    """Features `(B, 8, H / 2^k, W / 2^k)`, k = 0 .. scales - 1, of `(B, 1, H, W)`; edges repeated outside."""
    kernels = torch.tensor(KERNELS, dtype=image.dtype, device=image.device).unsqueeze(1) / 8
    features = []
    for _ in range(scales):
        edges = functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), kernels)
        features.append(torch.cat([edges, -edges], dim=1).relu())
        image = functional.avg_pool2d(image, 2)
    return features
