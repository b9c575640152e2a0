r"""PALM as its paper means it: proximal alternating linearised minimisation of one cost, decreasing at every step.

\[ \tfrac12 |y_1 - SHx_1|^2 + \tau_1 |\nabla x_1|^2 + \tau_2 \sum (e^{y_2 - x_2} - \gamma (y_2 - x_2))
   + \tau_3 |\nabla x_2|^2 + \tau_4 |x_2 - f(x_1, g)|^2 \]

Source: El Mansouri et al., IEEE TIP 29, 2020, eqs. 10-17; PALM: Bolte, Sabach, Teboulle, Mathematical Programming 146,
2014. What the programs get wrong and is right here: the constant of the Fourier step is d^2; sampled pixels lie at the
centres of the coarse pixels; link and images share one scale and no absolute values are taken; g is the
two-dimensional gradient magnitude (of the interpolated MRI, fixed); steps descend and their length is found by
backtracking; the cost is the one whose gradient is taken; gamma = 1, so that noise of value 0 is the likeliest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from trifuse.core.progress import track
from trifuse.filters import link
from trifuse.filters.fourier_sr import FourierStep, blur_spectrum, difference_spectrum
from trifuse.filters.palm import Array, Iteration, Pair, Solution, Weights, check_finite, relative_change

DEFAULTS = Weights(tau1=0.1, tau2=1.0, tau3=0.1, tau4=0.3, gamma=1.0)
"""Weights chosen on development data (docs/palm.md); tau4 is that of an MRI with coarser pixels."""

COUPLING_UNIT = 80.0
"""Squared ratio of variances at which the coupling weighs 1; chosen on synthetic pairs (docs/palm.md)."""

CUTOFF = 1e-6
"""Singular values of the link's monomials up to this fraction of the largest are noise."""

NEWTON_STEPS = 20
"""Most inner updates of the x2 step."""

BACKTRACKING = 20
"""Most doublings of the curvature in the x1 step."""


class Pull(NamedTuple):
    r"""Quadratic terms that pull the unknowns to given images, as plug-and-play priors do:
    \(\tfrac12 w_1 |x_1 - p_1|^2 + \tfrac12 w_2 |x_2 - p_2|^2\).

    Attributes:
        mri: p1, in the unit of x1.
        us: p2, in the unit of x2.
        mri_weight: w1.
        us_weight: w2.
    """

    mri: Array | float = 0.0
    us: Array | float = 0.0
    mri_weight: float = 0.0
    us_weight: float = 0.0


class Problem:
    """The cost and its two partial minimisations for one pair of images.

    Args:
        pair: the images, with `border="mirror"`.
        denoised: y2, what the fused image is to be near, in units of the brightest ultrasound pixel.
        weights: of the terms.

    Attributes:
        pull: further terms, none unless set.
    """

    def __init__(self, pair: Pair, denoised: Array, weights: Weights) -> None:
        self.pair, self.y2, self.weights = pair, denoised, weights
        self.pull = Pull()
        self.start = pair.interpolated
        self.g = _gradient(self.start)
        self.low, self.high = float(self.start.min()), float(self.start.max())
        self.c = link.fit(self.start, self.g, denoised, CUTOFF)
        shape = pair.us.shape
        self.differences = difference_spectrum(shape)
        self.blur = blur_spectrum(shape, shift=(pair.ratio - 1) / 2)
        rows, columns = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in shape)
        self.laplacian: Array = rows[:, None] + columns

    def linked(self, x1: Array) -> Array:
        """f(x1, g), with x1 kept in the range on which f was fitted."""
        return link.polynomial(self.c, np.clip(x1, self.low, self.high), self.g)

    def slope(self, x1: Array) -> Array:
        """Derivative of `linked`, 0 where x1 is out of range."""
        inside = (x1 >= self.low) & (x1 <= self.high)
        return np.where(inside, link.derivative(self.c, x1, self.g), 0)

    def cost_of_mri(self, x1: Array) -> float:
        """Terms of x1 alone."""
        blurred = fft.ifft2(self.blur * fft.fft2(x1)).real
        misfit = self.pair.ym - blurred[:: self.pair.ratio, :: self.pair.ratio]
        roughness = sum(float(np.sum((x1 - np.roll(x1, 1, axis)) ** 2)) for axis in (0, 1))
        pulled = self.pull.mri_weight / 2 * float(np.sum((x1 - self.pull.mri) ** 2))
        return float(np.sum(misfit**2)) / 2 + self.weights.tau1 * roughness + pulled

    def cost_of_us(self, x2: Array) -> float:
        """Terms of x2 alone, 0 where x2 is y2 and flat."""
        noise = self.y2 - x2
        likelihood = float(np.sum(np.expm1(noise) - self.weights.gamma * noise))
        roughness = sum(float(np.sum(np.diff(x2, axis=axis) ** 2)) for axis in (0, 1))
        pulled = self.pull.us_weight / 2 * float(np.sum((x2 - self.pull.us) ** 2))
        return self.weights.tau2 * likelihood + self.weights.tau3 * roughness + pulled

    def coupling(self, x1: Array, x2: Array) -> float:
        """The term of both."""
        return self.weights.tau4 * float(np.sum((x2 - self.linked(x1)) ** 2))

    def step_mri(self, x1: Array, x2: Array) -> Array:
        """Proximal step of x1: coupling linearised, curvature doubled until the cost falls."""
        tau1, tau4, pull = self.weights.tau1, self.weights.tau4, self.pull
        slope = self.slope(x1)
        downhill = 2 * tau4 * slope * (x2 - self.linked(x1))
        curvature = max(2 * tau4 * float(np.max(slope**2)) / 8, 1e-6)
        before = self.cost_of_mri(x1) + self.coupling(x1, x2)
        for _ in range(BACKTRACKING):
            prior = 2 * tau1 * self.differences + curvature + pull.mri_weight
            fourier = FourierStep(self.pair.ym, self.pair.ratio, self.blur, prior)
            new = fourier.solve(curvature * x1 + downhill + pull.mri_weight * pull.mri)
            if self.cost_of_mri(new) + self.coupling(new, x2) <= before:
                return new
            curvature *= 2
        return x1

    def step_us(self, x1: Array, x2: Array) -> tuple[Array, int]:
        """Minimisation over x2 by Newton steps whose Hessian is taken at noise 0, where cosines diagonalise it."""
        weights, pull, target = self.weights, self.pull, self.linked(x1)
        hessian = weights.tau2 + 2 * weights.tau3 * self.laplacian + 2 * weights.tau4 + pull.us_weight
        updates = 0
        while updates < NEWTON_STEPS:
            updates += 1
            gradient = weights.tau2 * (weights.gamma - np.exp(self.y2 - x2)) + 2 * weights.tau4 * (x2 - target)
            gradient += pull.us_weight * (x2 - pull.us)
            rough = weights.tau3 * self.laplacian * 2 * fft.dctn(x2, norm="ortho")
            step = fft.idctn((fft.dctn(gradient, norm="ortho") + rough) / hessian, norm="ortho")
            x2 = x2 - step
            if np.linalg.norm(step) < 1e-7 * np.linalg.norm(x2):
                break
        return x2, updates


def coupling_weight(pair: Pair, denoised: Array) -> float:
    r"""tau4 of a pair: the more, the noisier the ultrasound is and the better the MRI explains it.

    On equal grids \(\tau_4 = \rho^2 / 80\) with \(\rho = \hat\sigma^2 / \operatorname{var}(y_2 - f(x_1))\), where
    \(\hat\sigma\) is the noise of the ultrasound (Donoho's estimate from the finest wavelets), between 0.01 and 1.
    Where the MRI is coarser, the default: the coupling is what brings it in at all.
    """
    if pair.ratio > 1:
        return DEFAULTS.tau4
    start = pair.interpolated
    g = _gradient(start)
    unexplained = float(np.var(denoised - link.polynomial(link.fit(start, g, denoised, CUTOFF), start, g)))
    if unexplained == 0:
        return DEFAULTS.tau4
    ratio = noise_variance(pair.yu) / unexplained
    return float(np.clip(ratio**2 / COUPLING_UNIT, 0.01, 1.0))


def noise_variance(image: Array) -> float:
    """Variance of the noise of an image (H, W), from the median of its finest diagonal differences (Donoho 1995)."""
    even = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
    rows = even[::2] - even[1::2]
    diagonal = (rows[:, ::2] - rows[:, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745) ** 2 if diagonal.size else 0.0


def solve(
    pair: Pair, denoised: Array, weights: Weights = DEFAULTS, *, iterations: int = 50, tolerance: float = 1e-4
) -> Solution:
    """Runs the corrected variant.

    Args:
        pair: the images, with `border="mirror"`.
        denoised: the denoised `pair.yu`, or itself.
        weights: of the terms of the cost.
        iterations: most outer iterations.
        tolerance: relative change of x2 below which the iteration stops.

    Raises:
        OptionError: if an image is no longer finite.
    """
    problem = Problem(pair, denoised, weights)
    x1, x2 = problem.start, denoised
    record: list[Iteration] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in track(range(iterations), "palm"):
            before = x2
            x1 = problem.step_mri(x1, x2)
            x2, updates = problem.step_us(x1, x2)
            check_finite(x1, x2, len(record) + 1)
            cost = problem.cost_of_mri(x1) + problem.cost_of_us(x2) + problem.coupling(x1, x2)
            record.append(Iteration(cost, relative_change(x2, before), updates))
            if record[-1].change < tolerance:
                break
    return Solution(x2, x1, problem.c, record)


def _gradient(x: Array) -> Array:
    """Magnitude of forward differences, 0 beyond the border."""
    horizontal, vertical = np.zeros_like(x), np.zeros_like(x)
    horizontal[:, :-1] = np.diff(x, axis=1)
    vertical[:-1] = np.diff(x, axis=0)
    return np.hypot(horizontal, vertical)
