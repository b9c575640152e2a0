r"""The likelihood of a fused image of which every pixel follows one of its sources, and nobody knows which.

At each pixel hidden labels say which source gives the grey level (z) and which the gradient (g). Given them, the
image f is as far from the source's level, and its gradient from the source's gradient, as Gaussian noise would make it:

\(p(f, z, g | s_1, ..., s_N) \propto \prod_p r_{z_p}(p)\, q_{g_p}(p)\,
e^{-(f - s_{z_p})^2(p) - \lambda |\nabla f - \nabla s_{g_p}|^2(p)}\)

- \(r_k \propto (G_3 * s_k^2)^2\): the source with the greater local energy gives the level;
- \(q_k \propto (G_1 * |\nabla s_k|^2)^4\): the source with the greater local contrast gives the gradient.

The labels are believed as the sources suggest them (f has no vote, so that no source takes over), and maximising the
expected log-likelihood is one linear equation, \((1 - \lambda \Delta) f = \sum_k r_k s_k - \lambda \operatorname{div}
\sum_k q_k \nabla s_k\), which the Fourier transform of the mirrored image solves exactly.

DDFM (Zhao et al., ICCV 2023, eqs. 13-22) splits the same way: a fit of levels, and total variation of f - v, which
draws the gradient of f to that of the second source everywhere. Here it depends on the place which source that is, so
the order of the sources does not matter and there may be any number. \(G_w\) is a Gaussian of width w.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

STIFFNESS = 4.0
r"""\(\lambda\), of gradients against levels."""

LEVEL_WIDTH, LEVEL_POWER = 3.0, 2.0
GRADIENT_WIDTH, GRADIENT_POWER = 1.0, 4.0

TINY = 1e-6
"""Energy below which sources count as equally empty."""


def mixture_fit(sources: Tensor) -> Tensor:
    """The most probable fused image `(B, 1, H, W)` of sources `(N, B, 1, H, W)`, 0..1; a little over and under them."""
    with torch.autocast(sources.device.type, enabled=False):
        return _fitted(sources)


def _fitted(sources: Tensor) -> Tensor:
    gradients = _gradient(sources)
    levels = _shares(smoothed(sources.square(), LEVEL_WIDTH), LEVEL_POWER) * sources
    contrast = smoothed(gradients.square().sum(dim=0), GRADIENT_WIDTH)
    slopes = _shares(contrast, GRADIENT_POWER) * gradients
    return _screened(levels.sum(dim=0) - STIFFNESS * _divergence(slopes.sum(dim=1)))


def smoothed(images: Tensor, width: float) -> Tensor:
    """Images `(..., H, W)` under a Gaussian of that width in pixels, edges repeated."""
    reach = math.ceil(3 * width)
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * width**2))
    kernel = kernel / kernel.sum()
    flat = images.reshape(-1, 1, *images.shape[-2:])
    padded = functional.pad(flat, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return functional.conv2d(across, kernel.view(1, 1, -1, 1)).view(images.shape)


def _shares(energy: Tensor, power: float) -> Tensor:
    """Probability of each source `(N, ...)`."""
    return torch.softmax(power * (energy + TINY).log(), dim=0)


def _gradient(images: Tensor) -> Tensor:
    """Differences to the next pixel, along rows and columns: `(2, ..., H, W)`; none at the far edges."""
    along = functional.pad(images.diff(dim=-1), (0, 1))
    return torch.stack([along, functional.pad(images.diff(dim=-2), (0, 0, 0, 1))])


def _divergence(slopes: Tensor) -> Tensor:
    """Less the adjoint of `_gradient`."""
    along, down = slopes
    across: Tensor = along.diff(dim=-1, prepend=along.new_zeros(*along.shape[:-1], 1))
    downwards: Tensor = down.diff(dim=-2, prepend=down.new_zeros(*down.shape[:-2], 1, down.shape[-1]))
    return across + downwards


def _screened(right: Tensor) -> Tensor:
    r"""f of \((1 - \lambda \Delta) f\) = right, without flow over the edges."""
    height, width = right.shape[-2:]
    mirrored = torch.cat([right, right.flip(-1)], dim=-1)
    mirrored = torch.cat([mirrored, mirrored.flip(-2)], dim=-2)
    rows, columns = (
        2 - 2 * torch.cos(2 * math.pi * frequencies)
        for frequencies in (torch.fft.fftfreq(2 * height), torch.fft.rfftfreq(2 * width))
    )
    stiff = (1 + STIFFNESS * (rows[:, None] + columns)).to(right.device)
    solved: Tensor = torch.fft.irfft2(torch.fft.rfft2(mirrored) / stiff, s=mirrored.shape[-2:])
    return solved[..., :height, :width].contiguous()
