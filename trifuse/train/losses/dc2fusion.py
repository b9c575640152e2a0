r"""The loss of DC2Fusion: local correlation, structural similarity and absolute difference with both sources, in 3D.

\[ L = \sum_k w_k \left[ \mathrm{LNCC}(F, S_k) + 1 - \mathrm{SSIM}(F, S_k) + |F - S_k| \right] \]

Source: Liu, Fan, Zhang, Dai, Xie, Liang, arXiv 2310.06291, 2023; the authors' program weighs MRI 2 and PET 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.train.losses.ssim import from_moments, gaussian

BOX = 27
WEIGHTS = (2.0, 1.0)
SQUARES = 10.0


class Terms(NamedTuple):
    """The parts of the loss, one value per source in each."""

    correlation: tuple[Tensor, ...]
    dissimilarity: tuple[Tensor, ...]
    difference: tuple[Tensor, ...]

    def total(
        self,
        alpha: Sequence[float] = WEIGHTS,
        beta: Sequence[float] = WEIGHTS,
        gamma: Sequence[float] = WEIGHTS,
    ) -> Tensor:
        """Their weighted sum: `alpha` weighs correlations, `beta` dissimilarities, `gamma` differences, per source."""
        weights = [*alpha, *beta, *gamma]
        values = [*self.correlation, *self.dissimilarity, *self.difference]
        return torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum()

    def balanced(
        self, squares: Sequence[Tensor], weights: Sequence[float] = WEIGHTS, emphasis: float = SQUARES
    ) -> Tensor:
        """Structure of both sources alike, and `emphasis` times the weighted mean squared differences.

        The absolute differences of the paper, weighted 2 to 1, are least where the fused volume is the first source: a
        network that can copy it does. Squared ones are least at 2/3 of the first and 1/3 of the second.
        """
        structure = torch.stack([*self.correlation, *self.dissimilarity]).sum()
        return structure + emphasis * torch.stack([w * s for w, s in zip(weights, squares, strict=True)]).sum()


def terms(fused: Tensor, sources: Sequence[Tensor], *, one_pass: bool = False) -> Terms:
    """The parts for volumes `(B, 1, D, H, W)` in 0..1, every side at least 11; for `one_pass` see `smoothed`."""
    return Terms(
        tuple(lncc(fused, source) for source in sources),
        tuple(1 - similarity for similarity in similarities(fused, sources, one_pass=one_pass)),
        tuple((fused - source).abs().mean() for source in sources),
    )


def lncc(x: Tensor, y: Tensor) -> Tensor:
    """Minus the mean squared correlation in boxes of 3x3x3 (zeros beyond the border), -1..0; flat boxes count 0."""
    sums = functional.avg_pool3d(torch.cat([x, y, x * x, y * y, x * y]), 3, 1, 1) * BOX
    sum_x, sum_y, xx, yy, xy = sums.chunk(5)
    cross = xy - sum_x * sum_y / BOX
    spread_x, spread_y = ((s - m.square() / BOX).clamp_min(1e-5) for s, m in ((xx, sum_x), (yy, sum_y)))
    return -(cross.square() / (spread_x * spread_y)).mean()


def similarities(fused: Tensor, sources: Sequence[Tensor], *, one_pass: bool = False) -> list[Tensor]:
    """Mean SSIM with each source: Gaussian windows of 11x11x11 inside the volume, deviation 1.5, range 1."""
    of_sources = [part for s in sources for part in (s, s * s, s * fused)]
    moments = smoothed(torch.cat([fused, fused * fused, *of_sources]), one_pass=one_pass)
    mean_f, square_f, *parts = moments.chunk(2 + 3 * len(sources))
    return [
        from_moments((mean, mean_f), (square, square_f), product, 1.0).ssim.mean()
        for mean, square, product in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


def smoothed(x: Tensor, *, one_pass: bool = False) -> Tensor:
    """Gaussian means of `(B, 1, D, H, W)` where the window is inside.

    By a matrix product along each axis, or, fifty times dearer, in `one_pass` with the cubic window as in the original:
    they round differently, and where volumes are flat the variances of similarity are small differences of such means.
    """
    weights = gaussian(11, 1.5, x)
    if one_pass:
        return functional.conv3d(x, torch.einsum("i,j,k->ijk", weights, weights, weights)[None, None])
    for axis in (2, 3, 4):
        n = x.shape[axis]
        within = torch.arange(n, device=x.device) - torch.arange(n - 10, device=x.device)[:, None]
        band = torch.where((within >= 0) & (within < 11), weights[within.clamp(0, 10)], 0.0)
        x = (x.movedim(axis, -1) @ band.T).movedim(-1, axis)
    return x
