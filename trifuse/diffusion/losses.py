r"""Training losses: noise and structure.

TFS-Diff adds the structural similarity SSIM to the usual loss on the predicted noise ("PSF loss"; Xu et al., MICCAI
2024, section 2.3). Two forms:

- `published`: what its program computes. It compares the clean image with the predicted *noise*, and as a mean beside
  a sum over N values that term has the weight 1/N (3e-7 at a batch of 16 and 256 x 256): it has no effect.
- `psf`: what the paper means. SSIM between the clean image and the one that the prediction stands for, at the true
  value range of 2, as \(1 - \mathrm{SSIM}\) (the paper's sign would maximise the error), and weighted, because
  \(\partial \hat x_0 / \partial \hat z = -s / a\) grows without bound towards pure noise.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.diffusion.denoiser import Prediction, sigma

Norm = Literal["l1", "l2"]
Weighting = Literal["alpha_bar", "alpha", "min_snr", "none"]


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


def published(predicted: Tensor, noise: Tensor, x0: Tensor, norm: Norm = "l1") -> Tensor:
    r"""The loss that the program of TFS-Diff minimises, a scalar: \((\sum |z - \hat z|^p + S) / N\).

    \(S\) is the mean of \(\frac12 (1 - \mathrm{SSIM}(x_0, \hat z))\), clipped to 0..0.5, at data range 1; N the number
    of values. The program has p = 1, its paper 2. Kept for parity only.
    """
    return (_distance(predicted, noise, norm).sum() + published_structure(predicted, x0)) / x0.numel()


def published_structure(predicted: Tensor, x0: Tensor) -> Tensor:
    r"""The program's structural term \(S\), a scalar 0..0.5; see `published`."""
    return ((1 - ssim_map(x0, predicted, 1.0)).clamp(0, 1) / 2).mean()


def sr3(predicted: Tensor, noise: Tensor, norm: Norm = "l1") -> Tensor:
    """The loss that the program of SR3 minimises: the mean distance between the noise and its prediction."""
    return _distance(predicted, noise, norm).mean()


def psf(
    output: Tensor,
    x: Tensor,
    x0: Tensor,
    noise: Tensor,
    level: Tensor,
    predicts: Prediction,
    *,
    norm: Norm = "l1",
    structure: float = 1.0,
    weighting: Weighting = "alpha_bar",
) -> Tensor:
    r"""\(\mathrm{mean} |v - \hat v|^p + \lambda\, \mathrm{mean}_b\, w(a_b) (1 - \mathrm{SSIM}(\hat x_0, x_0))\).

    Args:
        output: what the network said, `(B, C, H, W)`.
        x: the noisy images \(a x_0 + s z\).
        x0: the clean images, values -1..1; \(\hat x_0\) is clamped to them and has no gradient outside.
        noise: \(z\).
        level: \(a\), float64 `(B, 1, 1, 1)`.
        predicts: what the output means; v is its target.
        norm: p.
        structure: \(\lambda\).
        weighting: see `structure_weight`.
    """
    distance = _distance(output, predicts.target(x0, noise, level), norm).mean()
    estimate = predicts.x0(output, x, level).clamp(-1, 1)
    similarity = ssim_map(estimate, x0, 2.0).mean(dim=(1, 2, 3))
    weight = structure_weight(level.flatten(), weighting).to(similarity.dtype)
    return distance + structure * (weight * (1 - similarity)).mean()


def structure_weight(level: Tensor, weighting: Weighting) -> Tensor:
    r"""Weight of the structural term at levels `(B,)`.

    `alpha_bar`: \(a^2\), which bounds the gradient's factor by \(a s \le 1/2\) for a network that predicts noise;
    `alpha`: \(a\), factor \(s\); `min_snr`: \(\min(a^2 / s^2, 5) / 5\) (Hang et al., ICCV 2023); `none`: 1, for
    networks that predict the image itself.
    """
    if weighting == "alpha_bar":
        return level**2
    if weighting == "alpha":
        return level
    if weighting == "min_snr":
        return (level / sigma(level)).square().clamp(max=5) / 5
    return torch.ones_like(level)


def _distance(predicted: Tensor, target: Tensor, norm: Norm) -> Tensor:
    difference = target - predicted
    return difference.abs() if norm == "l1" else difference.square()


def _windowed(x: Tensor) -> Tensor:
    """Gaussian mean over 11 x 11 pixels, as two one-dimensional passes."""
    place = torch.arange(11, dtype=x.dtype, device=x.device) - 5
    window = torch.exp(-(place**2) / (2 * 1.5**2))
    window = window / window.sum()
    channels = x.shape[1]
    padded = functional.pad(x, (5, 5, 5, 5), mode="reflect")
    rows = functional.conv2d(padded, window.reshape(1, 1, 11, 1).repeat(channels, 1, 1, 1), groups=channels)
    return functional.conv2d(rows, window.reshape(1, 1, 1, 11).repeat(channels, 1, 1, 1), groups=channels)
