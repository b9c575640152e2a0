r"""Samplers: how the levels between noise and image are walked.

Each sampler is a small object whose `walk` yields the state after every step. Let \(a, s\) belong to the level of
the state \(x\), \(a', s'\) to the next one, \(\hat x_0\) be the denoiser's estimate at \(x\), and
\(h = \lambda' - \lambda\) with \(\lambda = \ln(a / s)\). All coefficients are computed in float64. A step to
\(a' = 1\) gives \(x' = \hat x_0\) in every sampler, so that levels that end with 1 (`schedule.to_clean`) return the
last estimate.

All solvers are in terms of \(\hat x_0\), not of the noise, since only that can be kept within the value range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import expm1, inf, sqrt
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.core.registry import Registry
from trifuse.diffusion.denoiser import Denoiser
from trifuse.diffusion.schedule import Levels, log_snr, noise_of, sigma

Noise = Callable[[Tensor], Tensor]
"""Standard normal noise in the shape of a tensor; each call is a new draw."""


def gaussian(random: Random) -> Noise:
    """Noise from the run's randomness; all images of a batch share it, so that a batch equals its images one by one."""

    def draw(like: Tensor) -> Tensor:
        one = torch.randn((1, *like.shape[1:]), generator=random.torch, dtype=torch.float32)
        return one.to(like).expand_as(like)

    return draw


def replay(noises: Sequence[Tensor] | Tensor) -> Noise:
    """Given noises in the order of use, to repeat a recorded chain."""
    waiting = iter(noises)
    return lambda like: next(waiting).to(like)


class Sampler(Protocol):
    """A way from noise to image."""

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """The state after each of the `len(levels) - 1` steps, from `x` at `levels[0]`; may be 1 only at the end."""
        ...


def sample(sampler: Sampler, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Tensor:
    """The state at the last level, from `x` at the first."""
    for state in sampler.walk(denoise, x, levels, noise):
        x = state
    return x


def noisy_start(x0: Tensor, level: float, noise: Noise) -> Tensor:
    r"""\(a x_0 + s z\): where a walk begins that is cut short by a first guess \(x_0\) (Chung et al. 2022)."""
    return level * x0 + float(sigma(level)) * noise(x0)


@dataclass(frozen=True)
class Ancestral:
    r"""The sampler of DDPM, SR3 and TFS-Diff: draws from \(q(x' | x, \hat x_0)\).

    With \(\beta = 1 - a^2 / a'^2\):
    \(x' = \frac{a' \beta}{s^2} \hat x_0 + \frac{(a / a') s'^2}{s^2} x + \sqrt{\beta s'^2 / s^2}\, z\), no noise in
    the last step (Ho et al. 2020, eqs. 6 and 7). It is `DDIM(eta=1)` written differently.
    """

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """See `Sampler.walk`."""
        for a, a_next in _pairs(levels):
            x0 = denoise(x, a)
            s2, s2_next = (1 - a) * (1 + a), (1 - a_next) * (1 + a_next)
            beta = 1 - (a / a_next) ** 2
            x = (a_next * beta / s2) * x0 + (a / a_next * s2_next / s2) * x
            if s2_next > 0:
                x = x + sqrt(beta * s2_next / s2) * noise(x)
            yield x


@dataclass(frozen=True)
class DDIM:
    r"""Song et al., Denoising Diffusion Implicit Models, ICLR 2021, eqs. 12 and 16.

    \(x' = a' \hat x_0 + \sqrt{s'^2 - v^2}\,(x - a \hat x_0) / s + v z\), \(v = \eta (s'/s) \sqrt{1 - a^2 / a'^2}\).

    Attributes:
        eta: 0 follows the probability flow (first order), 1 is the ancestral sampler.
    """

    eta: float = 0.0

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """See `Sampler.walk`."""
        for a, a_next in _pairs(levels):
            x0 = denoise(x, a)
            s, s_next = float(sigma(a)), float(sigma(a_next))
            v = self.eta * s_next / s * sqrt(max(1 - (a / a_next) ** 2, 0.0))
            direction = sqrt(max(s_next**2 - v**2, 0.0)) / s
            x = (a_next - a * direction) * x0 + direction * x
            if v > 0:
                x = x + v * noise(x)
            yield x


@dataclass(frozen=True)
class DPMSolver2M:
    r"""DPM-Solver++(2M): Lu et al., DPM-Solver++, 2022, algorithm 2; second order, one evaluation per step.

    \(x' = (s'/s) x - a' (e^{-h} - 1) D\), \(D = (1 + \frac{1}{2r}) \hat x_0 - \frac{1}{2r} \hat x_0^{-}\),
    \(r = h^{-} / h\), where minus marks the step before; the first and a last infinite step take \(D = \hat x_0\).
    """

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """See `Sampler.walk`."""
        before: Tensor | None = None
        h_before = 0.0
        for a, a_next in _pairs(levels):
            x0 = denoise(x, a)
            h = float(log_snr(a_next) - log_snr(a))
            estimate = x0
            if before is not None and h < inf:
                share = h / (2 * h_before)
                estimate = (1 + share) * x0 - share * before
            x = float(sigma(a_next) / sigma(a)) * x - a_next * expm1(-h) * estimate
            before, h_before = x0, h
            yield x


@dataclass(frozen=True)
class UniPC:
    r"""Zhao et al., UniPC, NeurIPS 2023: predictor and corrector of any order with \(B(h) = e^{h} - 1\) ("bh2").

    Data prediction, one evaluation per step: the evaluation at a predicted point also corrects that point. The
    order rises from 1 as past evaluations become available; the last point is not corrected.

    With past estimates \(m_0\) (newest), \(m_1, ...\) at \(\lambda_0, \lambda_1, ...\), \(r_k = (\lambda_k -
    \lambda_0) / h\) and \(D_k = (m_k - m_0) / r_k\):
    \(x' = (s'/s) x - a' (e^{-h} - 1) (m_0 + \sum_k \rho_k D_k)\),
    where \(\rho\) solves \(\sum_k r_k^{j-1} \rho_k = b_j\) (section 3.2, eq. 9; appendix A for data prediction).
    The corrector adds the new evaluation as a further \(D\) with \(r = 1\).

    Attributes:
        order: 2 or 3 in practice.
    """

    order: int = 2

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """See `Sampler.walk`."""
        past: list[tuple[float, Tensor]] = []
        last: tuple[Tensor, float, int] | None = None
        for index, (a, a_next) in enumerate(_pairs(levels)):
            x0 = denoise(x, a)
            if last is not None:
                start, a_start, order = last
                x = _unipc_step(start, a_start, a, past[:order], corrected_by=x0)
            past = [(float(log_snr(a)), x0), *past[: self.order - 1]]
            order = min(self.order, index + 1) if a_next < 1 else 1
            last = x, a, order
            x = _unipc_step(x, a, a_next, past[:order], corrected_by=None)
            yield x


def _unipc_step(
    x: Tensor, a: float, a_next: float, past: Sequence[tuple[float, Tensor]], corrected_by: Tensor | None
) -> Tensor:
    """One step from level `a`, where `x` and the newest of `past` belong, to `a_next`."""
    at, newest = past[0]
    h = float(log_snr(a_next)) - at
    ratios = [(there - at) / h for there, _ in past[1:]]
    slopes = [(m - newest) / r for r, (_, m) in zip(ratios, past[1:], strict=True)]
    if corrected_by is not None:
        ratios, slopes = [*ratios, 1.0], [*slopes, corrected_by - newest]
    estimate = newest
    for weight, slope in zip(_unipc_weights(h, ratios), slopes, strict=True):
        estimate = estimate + weight * slope
    return float(sigma(a_next) / sigma(a)) * x - a_next * expm1(-h) * estimate


def _unipc_weights(h: float, ratios: Sequence[float]) -> list[float]:
    r"""\(\rho\) for the nodes `ratios`; with one node the authors take 1/2, which keeps the order."""
    n = len(ratios)
    if n == 0:
        return []
    if n == 1:
        return [0.5]
    phi = expm1(-h) / -h - 1
    factorial = 1.0
    right = []
    for j in range(1, n + 1):
        right.append(phi * factorial / expm1(-h))
        factorial *= j + 1
        phi = phi / -h - 1 / factorial
    left = np.vander(np.array(ratios), n, increasing=True).T
    return [float(weight) for weight in np.linalg.solve(left, np.array(right))]


@dataclass(frozen=True)
class Heun:
    r"""Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models, NeurIPS 2022, algorithm 1.

    Trapezoidal rule for \(d\bar x / d\sigma = (\bar x - \hat x_0) / \sigma\) in \(\bar x = x / a\),
    \(\sigma = s / a\): two evaluations per step, one in a step to \(\sigma = 0\).
    """

    def walk(self, denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Tensor]:
        """See `Sampler.walk`."""
        for a, a_next in _pairs(levels):
            now, then = float(noise_of(a)), float(noise_of(a_next))
            plain = x / a
            slope = (plain - denoise(x, a)) / now
            guess = plain + (then - now) * slope
            if then > 0:
                slope = (slope + (guess - denoise(a_next * guess, a_next)) / then) / 2
                guess = plain + (then - now) * slope
            x = a_next * guess
            yield x


ANCESTRAL, PROBABILITY_FLOW, DPM_SOLVER_2M = Ancestral(), DDIM(), DPMSolver2M()
UNIPC_2, UNIPC_3, HEUN = UniPC(2), UniPC(3), Heun()

SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    "trifuse.diffusion",
    {
        "ancestral": "samplers:ANCESTRAL",
        "ddim": "samplers:PROBABILITY_FLOW",
        "dpm++2m": "samplers:DPM_SOLVER_2M",
        "unipc2": "samplers:UNIPC_2",
        "unipc3": "samplers:UNIPC_3",
        "heun": "samplers:HEUN",
    },
)
"""The samplers by the names that users give -> file and object; a new one is a file here and a line."""


def _pairs(levels: Levels) -> Iterator[tuple[float, float]]:
    """Each level with the next, reporting progress."""
    values = [float(level) for level in levels]
    for index in track(range(len(values) - 1), "sampling"):
        yield values[index], values[index + 1]
