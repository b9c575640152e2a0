"""Structural similarity as a loss of pictures at all sizes of 6 pixels or more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def ssim_map(x: Tensor, y: Tensor, data_range: float) -> Tensor:
    """Local structural similarity of `(B, C, H, W)` images, same shape, per channel.

    Gaussian window 11 x 11 with sigma 1.5, borders reflected, population variances (Wang et al., TIP 2004). Sides
    must be 6 or more.
    """
    stability_1, stability_2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + stability_1) / (mean_x**2 + mean_y**2 + stability_1)
    return luminance * (2 * covariance + stability_2) / (variance_x + variance_y + stability_2)


def _windowed(x: Tensor) -> Tensor:
    """Gaussian mean over 11 x 11 pixels, as two one-dimensional passes."""
    place = torch.arange(11, dtype=x.dtype, device=x.device) - 5
    window = torch.exp(-(place**2) / (2 * 1.5**2))
    window = window / window.sum()
    channels = x.shape[1]
    padded = functional.pad(x, (5, 5, 5, 5), mode="reflect")
    rows = functional.conv2d(padded, window.reshape(1, 1, 11, 1).repeat(channels, 1, 1, 1), groups=channels)
    return functional.conv2d(rows, window.reshape(1, 1, 1, 11).repeat(channels, 1, 1, 1), groups=channels)
