r"""Structural similarity as a loss: one Gaussian window, any border, gradients all the way.

With local means \(\mu\), variances \(\sigma^2\) and covariance \(\sigma_{xy}\) under a Gaussian window,

\[ \mathrm{SSIM} = \frac{2\mu_x\mu_y + C_1}{\mu_x^2 + \mu_y^2 + C_1} \cdot
   \frac{2\sigma_{xy} + C_2}{\sigma_x^2 + \sigma_y^2 + C_2}, \qquad C_k = (K_k L)^2. \]

Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, eq. 13.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Border = Literal["valid", "zeros", "reflect"]
Pair = tuple[Tensor, Tensor]


class Similarity(NamedTuple):
    """Maps of structural similarity and of its contrast-structure factor."""

    ssim: Tensor
    contrast: Tensor


def gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    """Gaussian weights `(size,)` that sum to 1, of dtype and device of `like`."""
    x = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    weights = torch.exp(-x.square() / (2 * sigma**2))
    return weights / weights.sum()


def smoothed(x: Tensor, size: int = 11, sigma: float = 1.5, border: Border = "valid") -> Tensor:
    """Gaussian mean around each pixel of `(B, C, H, W)`, each channel by itself.

    In one pass with the square window, as in the originals: two passes round differently, and where images are
    flat the variances of similarity are small differences of such means.
    """
    weights = gaussian(size, sigma, x)
    flat = x.flatten(0, 1).unsqueeze(1)
    if border != "valid":
        flat = functional.pad(flat, [size // 2] * 4, mode="reflect" if border == "reflect" else "constant")
    flat = functional.conv2d(flat, torch.outer(weights, weights)[None, None])
    return flat.reshape(*x.shape[:2], *flat.shape[2:])


def windowed(x: Tensor) -> Tensor:
    """Gaussian mean over 11 x 11 pixels of `(B, C, H, W)`, borders reflected, as two one-dimensional passes."""
    window, channels = gaussian(11, 1.5, x), x.shape[1]
    padded = functional.pad(x, (5, 5, 5, 5), mode="reflect")
    rows = functional.conv2d(padded, window.reshape(1, 1, 11, 1).repeat(channels, 1, 1, 1), groups=channels)
    return functional.conv2d(rows, window.reshape(1, 1, 1, 11).repeat(channels, 1, 1, 1), groups=channels)


def from_moments(mean: Pair, square: Pair, product: Tensor, top: float) -> Similarity:
    """The similarity of two images whose values, squares and products have these local means.

    Args:
        mean, square: of the first and of the second image.
        product: of both.
        top: dynamic range L.
    """
    (mean_x, mean_y), (square_x, square_y) = mean, square
    c1, c2 = (0.01 * top) ** 2, (0.03 * top) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    shared = 2 * (product - mean_x * mean_y) + c2
    spread = (square_x - mean_x.square()) + (square_y - mean_y.square()) + c2
    return Similarity(light * shared / spread, shared / spread)


def similarity(x: Tensor, y: Tensor, *, top: float = 1.0, border: Border = "valid") -> Similarity:
    """Structural similarity of `(B, C, H, W)` with an 11x11 window of deviation 1.5.

    Args:
        x: first images.
        y: second images.
        top: dynamic range L.
        border: "valid" shrinks the maps by 10 pixels; the others keep the size.
    """
    moments = smoothed(torch.cat([x, y, x * x, y * y, x * y]), border=border)
    mean_x, mean_y, square_x, square_y, product = moments.chunk(5)
    return from_moments((mean_x, mean_y), (square_x, square_y), product, top)


def ssim_map(x: Tensor, y: Tensor, top: float) -> Tensor:
    """Structural similarity of `(B, C, H, W)` at every pixel, borders reflected; sides must be 6 or more."""
    mean, square = (windowed(x), windowed(y)), (windowed(x * x), windowed(y * y))
    return from_moments(mean, square, windowed(x * y), top).ssim
