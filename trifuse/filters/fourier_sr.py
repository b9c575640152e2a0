r"""Super-resolution in closed form in the Fourier domain.

Source: Zhao, Wei, Basarab, Dobigeon, Kouamé, Tourneret, "Fast single image super-resolution using a new analytical
solution for l2-l2 problems", IEEE TIP 25(8), 2016: with periodic borders the normal equations of
\(\tfrac12 |y - SHx|^2 + t |\nabla x|^2 + \tfrac{w}{2} |x - X|^2\) are solved exactly, because sampling S only folds
the spectrum into \(d \times d\) blocks.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]


def gaussian_kernel(sigma: float = 4.0, reach: float = 2.0, shift: float = 0.0) -> tuple[NDArray[np.int64], Array]:
    """Offsets and weights, summing to 1, of a sampled Gaussian along one axis, centred on `shift` pixels.

    Its taps are the whole offsets within `reach` of the centre (0.5 more where the centre lies between two pixels).
    """
    offsets = np.arange(np.floor(shift - reach), np.ceil(shift + reach) + 1).astype(np.int64)
    weights = np.exp(-((offsets - shift) ** 2) / (2 * sigma**2))
    return offsets, weights / weights.sum()


def blur_spectrum(shape: tuple[int, int], sigma: float = 4.0, shift: float = 0.0) -> Spectrum:
    """Transfer function (H, W) of the Gaussian blur; `shift` reads pixels that far down and right."""
    offsets, weights = gaussian_kernel(sigma, shift=shift)
    kernel = np.zeros(shape)
    rows, columns = (-offsets % n for n in shape)
    np.add.at(kernel, np.ix_(rows, columns), np.outer(weights, weights))
    spectrum: Spectrum = np.fft.fft2(kernel / kernel.sum())  # NumPy's own: its last bit decides the mean of x1
    return spectrum


def difference_spectrum(shape: tuple[int, int]) -> Array:
    """Squared modulus (H, W) of the spectrum of periodic first differences, both axes added."""
    rows, columns = (2 - 2 * np.cos(2 * np.pi * np.arange(n) / n) for n in shape)
    spectrum: Array = rows[:, None] + columns
    return spectrum


class FourierStep:
    r"""Solver of \((H^* S^* S H + P)\,x = H^* S^* y + r\), with P diagonal in the Fourier domain.

    Args:
        y: low-resolution image (H / d, W / d).
        ratio: d; pixel k of y is pixel d k of the blurred image.
        blur: transfer function of H (H, W).
        prior: positive diagonal of P (H, W).
        folding: constant of the Woodbury identity, \(d^2\) by mathematics.
    """

    def __init__(self, y: Array, ratio: int, blur: Spectrum, prior: Array, folding: float | None = None) -> None:
        self.ratio, self.blur = ratio, blur
        self.folding = ratio**2 if folding is None else folding
        self.inverse = 1 / prior
        self.y = y

    @cached_property
    def data(self) -> Spectrum:
        """Spectrum of H* S* y."""
        spread = np.zeros(self.blur.shape)
        spread[:: self.ratio, :: self.ratio] = self.y
        spectrum: Spectrum = np.conj(self.blur) * fft.fft2(spread)
        return spectrum

    @cached_property
    def folded(self) -> Array:
        """Denominator of the Woodbury identity, (H / d, W / d)."""
        folded: Array = self._fold(np.abs(self.blur) ** 2 * self.inverse).real + self.folding
        return folded

    def solve(self, r: Array) -> Array:
        """The solution x (H, W) for the right-hand side r (H, W)."""
        right = self.data + fft.fft2(r)
        correction = self._fold(self.blur * right * self.inverse) / self.folded
        tiled = np.tile(correction, (self.ratio, self.ratio))
        x: Array = fft.ifft2((right - np.conj(self.blur) * tiled) * self.inverse).real
        return x

    def _fold(self, spectrum: NDArray[np.generic]) -> Spectrum:
        """Sum over the d x d blocks of a spectrum."""
        rows, columns = (n // self.ratio for n in spectrum.shape)
        blocks = spectrum.reshape(self.ratio, rows, self.ratio, columns)
        folded: Spectrum = blocks.sum(axis=(0, 2))
        return folded
