"""PALM against the procedure of its Python program, in one run and at equal output.

    python -m benchmarks.palm [--mri MRI.mat --us US.mat] [--iterations 3] [--plot convergence.png]

The straight procedure evaluates the link polynomial anew in each of the 101 updates of the x2 descent, as the
program does; ours solves the descent in closed form. Without files a seeded pair of 100 x 100 and 600 x 600 is used.
`--plot` draws the cost and the change per iteration of all three variants.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from trifuse.filters import link, palm, palm_corrected
from trifuse.filters.fourier_sr import blur_spectrum, difference_spectrum
from trifuse.filters.palm import ML, PY, Pair, Variant

Array = NDArray[np.float64]


def main() -> None:
    """Times both, checks that they agree, prints the ratio."""
    parser = argparse.ArgumentParser(description="PALM against the straight procedure.")
    parser.add_argument("--mri", type=Path, help="MATLAB file with one matrix")
    parser.add_argument("--us", type=Path, help="MATLAB file with one matrix")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="picture of the convergence of the three variants")
    arguments = parser.parse_args()
    mri, us = (matrix(arguments.mri), matrix(arguments.us)) if arguments.mri else images()
    pair = Pair(mri, us, "zeros")
    palm.solve(pair, pair.yu, PY, iterations=1)
    start = time.process_time()
    ours = palm.solve(pair, pair.yu, PY, iterations=arguments.iterations).fused
    ours_s = time.process_time() - start
    start = time.process_time()
    straight = straight_palm(pair, pair.yu, arguments.iterations)
    straight_s = time.process_time() - start
    difference = float(np.abs(ours - straight).max() / np.abs(straight).max())
    print(f"palm, {us.shape[0]} x {us.shape[1]}, {arguments.iterations} iterations, fit of the link included:")
    print(f"straight {straight_s:.2f} s, ours {ours_s:.3f} s CPU, ratio {straight_s / ours_s:.1f}")
    print(f"largest difference {difference:.1e} of the largest value")
    if arguments.plot:
        plot(mri, us, arguments.plot)


def matrix(path: Path) -> Array:
    """The one matrix of a MATLAB file."""
    from scipy.io import loadmat

    values = [value for key, value in loadmat(path).items() if not key.startswith("__")]
    return np.asarray(values[0], dtype=np.float64)


def images(coarse: int = 100, ratio: int = 6) -> tuple[Array, Array]:
    """A seeded pair: a smooth MRI, and an ultrasound image that follows it, with log-Rayleigh noise."""
    rng = np.random.default_rng(0)
    fine = gaussian_filter(rng.standard_normal((coarse * ratio, coarse * ratio)), 12)
    fine = (fine - fine.min()) / np.ptp(fine)
    mri = fine.reshape(coarse, ratio, coarse, ratio).mean(axis=(1, 3)) * 1000
    us = 0.5 + 0.3 * fine + 0.1 * fine**2 + 0.05 * np.log(rng.rayleigh(size=fine.shape))
    return mri, us


def straight_palm(pair: Pair, denoised: Array, iterations: int) -> Array:
    """Variant py, written as its program goes."""
    weights = PY.weights
    c = np.abs(palm.estimate(pair, PY))
    blur, shape, d = blur_spectrum(pair.us.shape), pair.us.shape, pair.ratio
    inverse = 1 / (difference_spectrum(shape) + 1e-8 + 100 * weights.tau1)
    x1, x2 = pair.interpolated, denoised + palm.OFFSET
    g = PY.gradient(x1)
    for _ in range(iterations):
        moved = x1 - 4 * link.derivative(c, x1, g) * (x2 - powers(c, x1, PY.gradient(x1)))
        spread = np.zeros(shape)
        spread[::d, ::d] = pair.ym
        right = np.conj(blur) * np.fft.fft2(spread) + np.fft.fft2(2 * weights.tau1 * moved)
        correction = fold(blur * right * inverse, d) / (fold(np.abs(blur) ** 2 * inverse, d) + 4)
        x1 = np.fft.ifft2((right - np.conj(blur) * np.tile(correction, (d, d))) * inverse).real
        x = denoised + palm.OFFSET
        for _ in range(palm.MOST_UPDATES):
            target = x2 - 4 * (x2 - powers(c, x1, PY.flattened_gradient(x1)))
            gradient = weights.tau2 * (weights.gamma - np.exp(denoised - x)) + weights.tau4 / 2 * (x - target)
            step = PY.alpha * gradient
            x = x - step
            if np.linalg.norm(gradient) < palm.LEAST_GRADIENT or np.linalg.norm(step) < palm.LEAST_STEP:
                break
        x2 = x
    return x2


def powers(c: Array, x: Array, g: Array) -> Array:
    """The link polynomial, monomial by monomial."""
    value = np.zeros_like(x)
    for coefficient, (i, j) in zip(c, link.EXPONENTS, strict=True):
        value += coefficient * g**i * x**j
    return value


def fold(spectrum: NDArray[np.generic], d: int) -> NDArray[np.complex128]:
    """Sum of the d x d blocks, block by block."""
    rows, columns = (n // d for n in spectrum.shape)
    total = np.zeros((rows, columns), dtype=np.complex128)
    for i in range(d):
        for j in range(d):
            total += spectrum[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
    return total


def plot(mri: Array, us: Array, path: Path) -> None:
    """Cost, relative to the first, and change of x2 per iteration."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    references: dict[str, Variant] = {"py": PY, "ml": ML}
    pairs = {name: Pair(mri, us, variant.border) for name, variant in references.items()}
    runs = {name: palm.solve(pairs[name], pairs[name].yu, variant) for name, variant in references.items()}
    runs["corrected"] = palm_corrected.solve(Pair(mri, us), pairs["ml"].yu, iterations=10, tolerance=0)
    for name, solution in runs.items():
        costs = np.array([step.cost for step in solution.record])
        left.plot(range(1, len(costs) + 1), costs / costs[0], marker="o", label=name)
        right.semilogy(range(1, len(costs) + 1), [step.change for step in solution.record], marker="o", label=name)
    left.set(xlabel="iteration", ylabel="cost / first cost")
    right.set(xlabel="iteration", ylabel="relative change of x2")
    right.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
