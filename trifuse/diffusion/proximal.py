r"""PALM as the data step of a diffusion chain (DDFM-PALM), as published and as it was meant.

Both are denoisers: they take what the network predicts and return what the chain goes on with, so that every sampler
walks them. The published one forgets the prediction but for its chroma. The proximal one is plug-and-play posterior
sampling (Zhu et al., "Denoising diffusion models for plug-and-play image restoration", CVPR workshops 2023, eqs. 11-13)
with PALM's cost as the data term: at noise \(\sigma\) the prior \(p(x)\) is replaced by
\(\frac{\lambda}{2 \sigma^2} |x - \hat x_0|^2\).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trifuse.diffusion.conditions import to_display
from trifuse.diffusion.prior import ADMPrior, Prior
from trifuse.diffusion.schedule import noise_of
from trifuse.filters.palm import Array, Weights
from trifuse.filters.palm_corrected import Problem, Pull

QUANTILE = 0.95
"""Of the absolute prediction; the published program multiplies by it (Imagen divides, where it exceeds 1)."""

PRIORLESS = Weights(tau1=0.01, tau2=1.0, tau3=0.0, tau4=2.5, gamma=1.0)
"""Weights of PALM's cost where a prior takes the place of its smoothness terms (a trace of tau1 conditions x1)."""

WEIGHTS = (65.481, 128.553, 24.966)
"""Of R, G and B in 255 times the luma of ITU-R BT.601 in studio range, without its offset of 16."""


def with_luma(rgb: Tensor, luma: Tensor) -> Tensor:
    r"""RGB `(B, 3, H, W)` whose studio-range luma is `luma` `(B, 1, H, W)`, with the chroma it had.

    \(Y = (16 + w \cdot RGB) / 255\) changes by 219/255 of what is added to all three channels alike, and chroma
    does not change then.
    """
    before = (16 + torch.einsum("c,bchw->bhw", rgb.new_tensor(WEIGHTS), rgb)[:, None]) / 255
    return rgb + (luma - before) * (255 / sum(WEIGHTS))


@dataclass(frozen=True, eq=False)
class PublishedPALM:
    """The reverse step of the published program: the prediction with its luma replaced by a given picture.

    Attributes:
        prior: a network of guided diffusion.
        luma: PALM of the sources `(B, 1, H, W)`.
    """

    prior: ADMPrior
    luma: Tensor

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate `(B, 3, H, W)`; see `Denoiser`."""
        x0 = self.prior.unclamped(x, level)
        return with_luma((x0 * torch.quantile(x0.abs(), QUANTILE)).clamp(-1, 1), self.luma)


class ProximalPALM:
    r"""A denoiser of the super-resolved MRI x1 and the fused ultrasound x2 that obeys both sensors.

    The prior denoises both, \((p_1, p_2) = D(x, a)\); a step of PALM on its cost plus
    \(\frac{\lambda}{2 \sigma^2} (v_1 |x_1 - p_1|^2 + v_2 |x_2 - p_2|^2)\) gives what is returned. v are the
    variances of the sensors' noise: the data terms of the cost are log-likelihoods times these.

    Args:
        problem: the cost; its `pull` is set anew in every call.
        prior: denoiser of `(2, C, H, W)` with values -1..1, x1 first.
        start: x1 and x2, (H, W) each, to begin with.
        variances: v.
        trust: \(\lambda\).
    """

    def __init__(
        self,
        problem: Problem,
        prior: Prior,
        start: tuple[Array, Array],
        variances: tuple[float, float],
        trust: float = 1.0,
    ) -> None:
        self.problem, self.prior, self.variances, self.trust = problem, prior, variances, trust
        self.x1, self.x2 = start

    @property
    def state(self) -> Tensor:
        """Both images as `(2, C, H, W)` with values -1..1."""
        both = torch.from_numpy(np.stack([self.x1, self.x2])).float()
        return (both * 2 - 1)[:, None].expand(-1, self.prior.channels, -1, -1)

    @staticmethod
    def us(state: Tensor) -> Array:
        """x2 of a state."""
        fused: Array = to_display(state[1]).mean(dim=0).double().cpu().numpy()
        return fused

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate; see `Denoiser`."""
        mri, us = to_display(self.prior(x, level)).mean(dim=1).double().cpu().numpy()
        weight = self.trust / (float(noise_of(level)) / 2) ** 2
        self.problem.pull = Pull(mri, us, weight * self.variances[0], weight * self.variances[1])
        self.x1 = self.problem.step_mri(self.x1, self.x2)
        self.x2, _ = self.problem.step_us(self.x1, self.x2)
        return self.state.to(x)
