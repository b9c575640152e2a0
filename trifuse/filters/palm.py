r"""PALM as published: MRI super-resolution and ultrasound fusion in two reference variants.

Sources: El Mansouri, Vidal, Basarab, Payoux, Kouamé, Tourneret, "Fusion of magnetic resonance and ultrasound images for
endometriosis detection", IEEE TIP 29:5324-5335, 2020 (`ML`: its MATLAB program), and the Python program of the
DDFM-PALM authors (`PY`). Both do other things than the paper says (see the card of the method); `palm_corrected` does
what it means. Unknowns are the super-resolved MRI x1 and the fused ultrasound x2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from trifuse.core.errors import InputError, OptionError
from trifuse.core.progress import track
from trifuse.core.resize import matlab
from trifuse.filters import link
from trifuse.filters.fourier_sr import FourierStep, blur_spectrum, difference_spectrum

Array = NDArray[np.float64]

MOST_UPDATES = 101
"""Descent updates of an x2 step."""

LEAST_GRADIENT, LEAST_STEP = 1e-6, 1e-2
"""2-norms below which the descent stops early (small images only)."""

NEGLIGIBLE = 1e-10
"""Largest change of x2 by the log-Rayleigh term, over a whole descent, at which the closed form is used."""

OFFSET = 1e-8
"""Added to the ultrasound where the descent starts."""


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of the cost, in the paper's numbering.

    Attributes:
        tau1: prior of the super-resolved MRI.
        tau2: fidelity to the ultrasound.
        tau3: smoothness of the fused image.
        tau4: coupling of the fused image to the MRI.
        gamma: constant of the log-Rayleigh noise model.
    """

    tau1: float = 1e-12
    tau2: float = 1e-15
    tau3: float = 2e-4
    tau4: float = 1e-4
    gamma: float = 1e-3


@dataclass(frozen=True)
class Variant:
    """What the two programs do differently.

    Attributes:
        weights: their defaults.
        alpha: step of the x2 descent.
        border: of the cubic resize.
        gradient: gradient magnitude of an image.
        flattened_gradient: what they take for it in the x2 step, where the image is one long vector.
        norm: by which both images are divided for the fit of the link.
        cutoff: of the singular values in that fit.
        smoothed: whether the x2 step has its smoothness term (along columns).
    """

    weights: Weights
    alpha: float
    border: Literal["mirror", "zeros"]
    gradient: Callable[[Array], Array]
    flattened_gradient: Callable[[Array], Array]
    norm: Literal["fro", 2]
    cutoff: str | float
    smoothed: bool


PY = Variant(Weights(), 10, "zeros", link.backward_gradient, link.row_gradient, "fro", 1e-15, smoothed=False)
ML = Variant(
    Weights(tau3=1e-4, tau4=2e-4),
    0.2,
    "mirror",
    link.forward_gradient,
    link.column_gradient,
    2,
    "matlab",
    smoothed=True,
)


class Iteration(NamedTuple):
    """Record of one outer iteration.

    Attributes:
        cost: value of the cost (reference variants: what their x2 descent logs).
        change: 2-norm of the change of x2, relative to x2.
        updates: inner updates of the x2 step.
    """

    cost: float
    change: float
    updates: int


class Solution(NamedTuple):
    """What PALM found.

    Attributes:
        fused: x2 (H, W), in units of the brightest ultrasound pixel.
        super_resolved: x1 (H, W).
        coefficients: of the link (15,), before any absolute value.
        record: one entry per outer iteration.
    """

    fused: Array
    super_resolved: Array
    coefficients: Array
    record: list[Iteration]


@dataclass(frozen=True, eq=False)
class Pair:
    """MRI and ultrasound of one field of view, and what both variants make of them first.

    Attributes:
        mri: (h, w), raw.
        us: (H, W) = (d h, d w), raw.
        border: of the cubic resize.
    """

    mri: Array
    us: Array
    border: Literal["mirror", "zeros"] = "mirror"

    def __post_init__(self) -> None:
        d = self.us.shape[0] // self.mri.shape[0]
        if d < 1 or self.us.shape != (d * self.mri.shape[0], d * self.mri.shape[1]):
            raise InputError(
                f"palm: the MRI of {_size(self.mri)} pixels does not divide the ultrasound of {_size(self.us)} "
                "by one whole number; resample one of them"
            )

    @property
    def ratio(self) -> int:
        """d, how many times the MRI is coarser."""
        return int(self.us.shape[0] // self.mri.shape[0])

    @cached_property
    def mri_top(self) -> float:
        """Brightest MRI value, the unit of x1 (1 if there is none above 0)."""
        return _top(self.mri)

    @cached_property
    def us_top(self) -> float:
        """Brightest ultrasound value, the unit of x2 (1 if there is none above 0)."""
        return _top(self.us)

    @cached_property
    def ym(self) -> Array:
        """MRI in its unit."""
        return self.mri / self.mri_top

    @cached_property
    def yu(self) -> Array:
        """Ultrasound in its unit; this is what is denoised."""
        return self.us / self.us_top

    @cached_property
    def interpolated(self) -> Array:
        """MRI in its unit, by cubic resize on the grid of the ultrasound."""
        return self.enlarged(self.ym)

    def enlarged(self, x: Array) -> Array:
        """Cubic resize from the MRI's grid to the ultrasound's."""
        return x if self.ratio == 1 else matlab(x, self.ratio, border=self.border)


def estimate(pair: Pair, variant: Variant, normalisation: Literal["norm", "max"] = "norm") -> Array:
    """Coefficients of the link as the programs fit them, on images divided by their norm (or maximum)."""
    if normalisation == "max":
        mri, us = pair.ym, pair.yu
    else:
        mri, us = (image / (np.linalg.norm(image, variant.norm) or 1.0) for image in (pair.mri, pair.us))
    x = pair.enlarged(mri)
    return link.fit(x, variant.gradient(x), us, variant.cutoff)


def solve(
    pair: Pair,
    denoised: Array,
    variant: Variant,
    *,
    iterations: int = 10,
    normalisation: Literal["norm", "max"] = "norm",
    tolerance: float = 0.0,
) -> Solution:
    """Runs a reference variant.

    Args:
        pair: the images; `pair.border` must be the variant's.
        denoised: start of x2, `pair.yu` itself or denoised.
        variant: `PY` or `ML`, perhaps with other weights.
        iterations: outer iterations.
        normalisation: what the link is fitted on.
        tolerance: relative change of x2 below which the iteration stops.

    Raises:
        OptionError: if the iteration diverges.
    """
    coefficients = estimate(pair, variant, normalisation)
    c, weights, tau1 = np.abs(coefficients), variant.weights, variant.weights.tau1
    prior = difference_spectrum(pair.us.shape) + 1e-8 + 100 * tau1
    fourier = FourierStep(pair.ym, pair.ratio, blur_spectrum(pair.us.shape), prior, folding=4.0)
    x1, x2 = pair.interpolated, denoised + OFFSET
    fixed_gradient = variant.gradient(x1)
    record: list[Iteration] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in track(range(iterations), "palm"):
            mismatch = x2 - link.polynomial(c, x1, variant.gradient(x1))
            x1 = fourier.solve(2 * tau1 * (x1 - 4 * link.derivative(c, x1, fixed_gradient) * mismatch))
            target = 4 * link.polynomial(c, x1, variant.flattened_gradient(x1)) - 3 * x2
            before = x2
            x2, updates = _descend(denoised, target, variant)
            cost = _logged_cost(x2, denoised, target, weights, variant.smoothed)
            check_finite(x1, x2, len(record) + 1)
            record.append(Iteration(cost, relative_change(x2, before), updates))
            if record[-1].change < tolerance:
                break
    return Solution(x2, x1, coefficients, record)


def with_weights(variant: Variant, weights: Weights) -> Variant:
    """The variant with other weights."""
    return replace(variant, weights=weights)


def relative_change(new: Array, old: Array) -> float:
    """2-norm of the difference, relative to the new image."""
    return float(np.linalg.norm(new - old) / max(float(np.linalg.norm(new)), 1e-300))


def check_finite(x1: Array, x2: Array, iteration: int) -> None:
    """Stops a run whose images are no longer finite.

    Raises:
        OptionError: if so.
    """
    if not (np.isfinite(x1).all() and np.isfinite(x2).all()):
        raise OptionError(
            f"palm diverged in iteration {iteration}: its link polynomial leaves the range it was fitted on; "
            "choose variant=corrected, normalisation=max or a smaller tau4"
        )


def _descend(start: Array, target: Array, variant: Variant) -> tuple[Array, int]:
    """Gradient descent of the x2 step, in closed form where the log-Rayleigh term is below rounding."""
    weights, alpha = variant.weights, variant.alpha
    steepest = np.exp(float(np.max(start - np.minimum(start, target))))
    if not np.isfinite(target).all() or MOST_UPDATES * alpha * weights.tau2 * (steepest + weights.gamma) > NEGLIGIBLE:
        return _descend_in_steps(start, target, variant)
    return _descend_at_once(start, target, variant)


def _descend_at_once(start: Array, target: Array, variant: Variant) -> tuple[Array, int]:
    r"""The gradient is linear, \(G x - b\), so that after n updates \(x_n = x_0 - \alpha \sum_{i<n} (1 - \alpha G)^i
    (G x_0 - b)\); the cosine transform along the vector makes G diagonal.
    """
    weights, alpha = variant.weights, variant.alpha
    x0 = start + OFFSET
    gradient = weights.tau4 / 2 * (x0 - target)
    curvature = np.full(1, weights.tau4 / 2)
    if variant.smoothed:
        waves = fft.dct(gradient.ravel(order="F"), norm="ortho")
        frequencies = 2 - 2 * np.cos(np.pi * np.arange(waves.size) / waves.size)
        curvature = weights.tau4 / 2 + weights.tau3 * frequencies
        gradient = waves + weights.tau3 * frequencies * fft.dct(x0.ravel(order="F"), norm="ortho")
    decay = 1 - alpha * curvature

    def stopped(update: int) -> bool:
        norm = float(np.linalg.norm(decay**update * gradient))
        return norm < LEAST_GRADIENT or alpha * norm < LEAST_STEP

    updates = next((n + 1 for n in _halving(stopped)), MOST_UPDATES)
    series = np.divide(1 - decay**updates, alpha * curvature, out=np.full_like(curvature, updates), where=curvature > 0)
    moved = alpha * series * gradient
    if variant.smoothed:
        moved = fft.idct(moved, norm="ortho").reshape(x0.shape, order="F")
    return x0 - moved, updates


def _halving(stopped: Callable[[int], bool]) -> list[int]:
    """The first of the updates 0..MOST_UPDATES - 1 after which the (shrinking) gradient stops the descent, if any."""
    low, high = 0, MOST_UPDATES - 1
    if not stopped(high):
        return []
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if stopped(middle) else (middle + 1, high)
    return [low]


def _descend_in_steps(start: Array, target: Array, variant: Variant) -> tuple[Array, int]:
    weights, x = variant.weights, start + OFFSET
    for update in range(MOST_UPDATES):
        gradient = weights.tau2 * (weights.gamma - np.exp(start - x)) + weights.tau4 / 2 * (x - target)
        if variant.smoothed:
            gradient += weights.tau3 * _column_laplacian(x)
        x = x - variant.alpha * gradient
        norm = float(np.linalg.norm(gradient))
        if norm < LEAST_GRADIENT or variant.alpha * norm < LEAST_STEP:
            return x, update + 1
    return x, MOST_UPDATES


def _column_laplacian(x: Array) -> Array:
    """Negative second difference along the image read as one vector, column by column."""
    difference = np.diff(x.ravel(order="F"))
    laplacian = np.zeros(x.size)
    laplacian[:-1] -= difference
    laplacian[1:] += difference
    return laplacian.reshape(x.shape, order="F")


def _logged_cost(x: Array, start: Array, target: Array, weights: Weights, smoothed: bool) -> float:
    cost = weights.tau2 * float(np.sum(weights.gamma * np.exp(start - x) - (start - x)))
    if smoothed:
        cost += weights.tau3 / 2 * float(np.sum(np.diff(x.ravel(order="F")) ** 2))
    return cost + weights.tau4 * float(np.linalg.norm(x - target))


def _top(x: Array) -> float:
    top = float(x.max())
    return top if top > 0 else 1.0


def _size(x: Array) -> str:
    return f"{x.shape[0]} x {x.shape[1]}"
