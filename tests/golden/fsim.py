"""Feature similarity as the program image-similarity-measures computes it, on which published tables rest.

Phase congruency follows Kovesi's phasecong3 in its Python port (phasepack 1.5): another parametrisation than that of
the metric Q_P in `trifuse.metrics.phase`. Gradients are rounded and cut off at 0, so pictures in 0..1 hardly have any.

Source: Zhang, Zhang, Mou, Zhang, "FSIM", IEEE TIP 20(8), 2011; Kovesi, Videre 1, 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]

SCALES, ORIENTATIONS, SHORTEST, RATIO, BANDWIDTH = 4, 6, 6.0, 2.0, 0.5978
NOISE_SIGMAS, CUTOFF, GAIN, EPS = 2.0, 0.5, 10.0, 1e-4
SCHARR = np.outer((3.0, 10.0, 3.0), (-1.0, 0.0, 1.0))


def fsim(x: Array, y: Array) -> float:
    """Similarity of two images `(H, W)` in 0..1."""
    congruencies, slopes = zip(*((congruency(image), slope(image)) for image in (x, y)), strict=True)
    alike = _alike(*congruencies, 0.85) * _alike(*slopes, 160.0)
    weight = np.maximum(*congruencies)
    return float((alike * weight).sum() / weight.sum())


def _alike(x: Array, y: Array, constant: float) -> Array:
    return np.asarray((2 * x * y + constant) / (x**2 + y**2 + constant))


def slope(image: Array) -> Array:
    """Magnitude of Scharr derivatives in whole numbers, negative ones 0."""
    along = [np.rint(ndimage.correlate(image, kernel, mode="mirror")).clip(0) for kernel in (SCHARR, SCHARR.T)]
    return np.asarray(np.hypot(*along))


def congruency(image: Array) -> Array:
    """Phase congruency, summed over the orientations."""
    y, x = np.meshgrid(*(_frequencies(n) for n in image.shape), indexing="ij")
    radius, theta = fft.ifftshift(np.hypot(x, y)), fft.ifftshift(np.arctan2(-y, x))
    lowpass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    bands = [
        lowpass * np.exp(-(np.log(radius * SHORTEST * RATIO**s) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
        for s in range(SCALES)
    ]
    for band in bands:
        band[0, 0] = 0
    spectrum, total = fft.fft2(image), np.zeros(image.shape)
    for index in range(ORIENTATIONS):
        apart = np.abs(np.angle(np.exp(1j * (theta - index * np.pi / ORIENTATIONS))))
        spread = (np.cos((apart * ORIENTATIONS / 2).clip(0, np.pi)) + 1) / 2
        total += _along([fft.ifft2(spectrum * band * spread) for band in bands])
    return total


def _along(responses: list[NDArray[np.complex128]]) -> Array:
    """Congruency along one orientation."""
    amplitudes = np.abs(responses)
    whole = np.sum(responses, axis=0)
    unit = whole / (np.abs(whole) + EPS)
    energy = sum((r * unit.conj()).real - np.abs((r * unit.conj()).imag) for r in responses)
    tau = np.median(amplitudes[0]) / np.sqrt(np.log(4)) * (1 - RATIO**-SCALES) / (1 - 1 / RATIO)
    noise = tau * (np.sqrt(np.pi / 2) + NOISE_SIGMAS * np.sqrt((4 - np.pi) / 2))
    added = amplitudes.sum(axis=0)
    width = (added / (amplitudes.max(axis=0) + EPS) - 1) / (SCALES - 1)
    return np.asarray(np.maximum(energy - noise, 0) / (1 + np.exp(GAIN * (CUTOFF - width))) / added)


def _frequencies(n: int) -> Array:
    return np.arange(-(n - 1) / 2, n / 2) / (n - 1) if n % 2 else np.arange(-n / 2, n / 2) / n
