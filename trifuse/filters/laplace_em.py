r"""The expectation-maximisation steps of DDFM: what a fused image must be, given what a diffusion prior proposes.

DDFM takes the distance of the fused image f from each source for Laplace noise, written as Gaussian noise of random
variance; the E-step estimates the variances, the M-step is then a weighted least-squares fit (section 3.3).

- `published_step`: one step of the program, which works on \(X = f - v\), \(Y = i - v\), with total variation by half
  quadratic splitting. It returns \(i - X\) where the paper has \(v + X\), so it moves *away* from the proposal.
- `laplace_step`: one step for one picture of a source with such noise, as meant: likelihood
  \(\frac{1}{2 b} e^{-|s - y| / b}\), prior \(s \sim N(\hat s, \tau^2)\) around the proposal.

Source: Zhao et al., "DDFM: Denoising Diffusion Model for Multi-Modality Image Fusion", ICCV 2023, eqs. 13-22.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-6


@dataclass(frozen=True)
class Splitting:
    r"""What the published step remembers.

    Attributes:
        vertical, horizontal: \(F_1, F_2\), the split gradients `(B, 1, H, W)`.
        tau_a, tau_b: scales of the two Laplace distributions, `(B, 1, 1, 1)`.
    """

    vertical: Tensor
    horizontal: Tensor
    tau_a: Tensor
    tau_b: Tensor

    @classmethod
    def start(cls, like: Tensor) -> Splitting:
        """No gradients, unit scales."""
        zero, one = torch.zeros_like(like), like.new_ones(like.shape[0], 1, 1, 1)
        return cls(zero, zero, one, one)


def published_step(
    proposal: Tensor, first: Tensor, second: Tensor, memory: Splitting, smoothness: float = 0.5, penalty: float = 0.001
) -> tuple[Tensor, Splitting]:
    r"""One EM step of the program.

    Args:
        proposal: f that the prior proposes, `(B, 1, H, W)`.
        first, second: the sources i and v, -1..1.
        memory: of the step before.
        smoothness: \(\lambda\).
        penalty: \(\rho\).

    Returns:
        The rectified image and the new memory.
    """
    y, x = first - second, proposal - second
    d = torch.sqrt((2 / memory.tau_b) / (x.square() + TINY))
    c = torch.sqrt((2 / memory.tau_a) / (y - x + TINY).square())
    d = torch.minimum(d, 2 * c)
    smooth = _smoothed(y - x, memory)
    shrink = penalty / (2 * smoothness + penalty)
    horizontal, vertical = (shrink * _differences(smooth, axis) for axis in (3, 2))
    x = (2 * c * y + penalty * (y - smooth)) / (2 * c + 2 * d + penalty)
    scales = [
        (1 / (weight + 1e-10) + tau / 2).mean(dim=(1, 2, 3), keepdim=True)
        for weight, tau in ((c, memory.tau_a), (d, memory.tau_b))
    ]
    return first - x, Splitting(vertical, horizontal, *scales)


def _smoothed(difference: Tensor, memory: Splitting) -> Tensor:
    r"""H: the image whose gradients are F1, F2, near the difference; solved by Fourier transform, circular."""
    height, width = difference.shape[2:]
    kernels = [difference.new_zeros(height, width) for _ in range(2)]
    for kernel, (row, column) in zip(kernels, ((0, -1), (-1, 0)), strict=True):
        kernel[0, 0] -= 1
        kernel[row, column] += 1
    across, down = (torch.fft.fft2(kernel) for kernel in kernels)
    numerator = (
        torch.fft.fft2(difference)
        + across.conj() * torch.fft.fft2(memory.horizontal)
        + down.conj() * torch.fft.fft2(memory.vertical)
    )
    solved: Tensor = torch.fft.ifft2(numerator / (1 + across.abs().square() + down.abs().square())).real
    return solved


def _differences(image: Tensor, axis: int) -> Tensor:
    """Each pixel less its next along an axis; the last ones as they are."""
    following = image.roll(-1, dims=axis)
    following.select(axis, -1).zero_()
    return image - following


def laplace_step(proposal: Tensor, observed: Tensor, variance: float) -> Tensor:
    r"""One EM step: what the clean picture is, given what was observed of it and what the prior proposes.

    E-step: the scale \(b = \mathrm{mean} |\hat s - y|\) and, at each pixel, the expected inverse variance of the
    noise, \(w = 1 / (b |\hat s - y|)\). M-step: \(s = (w y + \hat s / \tau^2) / (w + 1 / \tau^2)\).

    Args:
        proposal: \(\hat s\), `(B, 1, H, W)`.
        observed: y.
        variance: \(\tau^2\), how uncertain the proposal is.
    """
    distance = (proposal - observed).abs()
    scale = distance.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-3)
    pull = variance / (scale * distance.clamp_min(1e-2))
    return (pull * observed + proposal) / (pull + 1)
