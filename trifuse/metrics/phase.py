"""Phase congruency of an image: where its Fourier components agree in phase, and how strongly they make edges.

Source: Kovesi, "Image features from phase congruency", Videre 1, 1999, with the noise estimate and the moments of
his later programs, as the fusion metric Q_P uses them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from trifuse.metrics.pixels import Array

SCALES, ORIENTATIONS = 4, 6
SHORTEST, RATIO = 3.0, 2.1
BANDWIDTH = np.log(0.55)
ANGULAR_SIGMA = np.pi / ORIENTATIONS / 1.2
NOISE_SIGMAS, NOISE_DIVISOR = 2.0, 1.7
CUTOFF, GAIN = 0.5, 10.0
EPS = 1e-4


class Congruency(NamedTuple):
    """Phase congruency and the largest and smallest moment of its covariance (edges and corners)."""

    congruency: Array
    largest: Array
    smallest: Array


class Polar(NamedTuple):
    """Logarithm of the radial frequency, unit direction and low-pass gain, in the order of the FFT."""

    log_radius: Array
    sine: Array
    cosine: Array
    lowpass: Array


def phase_congruency(x: Array) -> Congruency:
    """Phase congruency of an image `(H, W)` over 4 scales and 6 orientations."""
    polar = frequencies(x.shape[0], x.shape[1])
    spectrum = fft.fft2(x)
    energies, amplitudes = np.zeros_like(x), np.zeros_like(x)
    xx, yy, xy = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for index in range(ORIENTATIONS):
        angle = index * np.pi / ORIENTATIONS
        energy, amplitude = oriented(spectrum, polar, angle)
        energies += energy
        amplitudes += amplitude
        congruent = np.divide(energy, amplitude, out=energy, where=amplitude > 0)
        a, b = congruent * np.cos(angle), congruent * np.sin(angle)
        xx += a * a
        yy += b * b
        xy += a * b
    xx, yy, xy = xx / (ORIENTATIONS / 2), yy / (ORIENTATIONS / 2), xy / ORIENTATIONS
    root = np.sqrt(xy**2 + (xx - yy) ** 2) + EPS
    return Congruency(energies / (amplitudes + EPS), (xx + yy + root) / 2, (xx + yy - root) / 2)


def oriented(spectrum: Array, polar: Polar, angle: float) -> tuple[Array, Array]:
    """Weighted local energy above noise, and summed amplitude, along one orientation.

    Energy is sum_s [e_s E + o_s O - |e_s O - o_s E|], with (e_s, o_s) the even and odd response at scale s and (E, O)
    the unit vector along their sum; it is weighted by how widely the response spreads over the scales.
    """
    spread = angular(polar, angle)
    responses = []
    filters = np.zeros_like(spread)
    noise = 0.0
    for scale in range(SCALES):
        band = log_gabor(polar, scale) * spread
        response = fft.ifft2(spectrum * band, overwrite_x=True)
        if scale == 0:
            typical = np.median(response.real**2 + response.imag**2) / np.log(2)
            noise = float(typical / np.sum(band**2))
        responses.append(response)
        filters += band
    amplitude, largest = np.zeros_like(spread), np.zeros_like(spread)
    for response in responses:
        size = np.sqrt(response.real**2 + response.imag**2)
        amplitude += size
        np.maximum(largest, size, out=largest)
    total = sum(responses)
    length = np.sqrt(total.real**2 + total.imag**2) + EPS
    even, odd = total.real / length, total.imag / length
    energy = np.zeros_like(spread)
    for response in responses:
        energy += response.real * even + response.imag * odd
        energy -= np.abs(response.real * odd - response.imag * even)
    energy = np.maximum(energy - noise_threshold(filters, noise), 0)
    width = amplitude / (largest + EPS) / SCALES
    return energy / (1 + np.exp(GAIN * (CUTOFF - width))), amplitude


def noise_threshold(filters: Array, noise: float) -> float:
    """Energy that noise of this power reaches: mean + 2 standard deviations of its Rayleigh distribution.

    The expected squared energy is 2 p sum (sum_s h_s)^2 over the real parts h_s of the filters' impulse responses;
    by Parseval this is 2 p times the summed square of the even part of the summed filters.
    """
    mirrored = np.roll(filters[::-1, ::-1], 1, axis=(0, 1))
    tau = np.sqrt(noise * np.sum(((filters + mirrored) / 2) ** 2))
    return float((tau * np.sqrt(np.pi / 2) + NOISE_SIGMAS * tau * np.sqrt(2 - np.pi / 2)) / NOISE_DIVISOR)


def frequencies(height: int, width: int) -> Polar:
    """The frequency plane in polar coordinates; radius 1 at the origin so that its logarithm exists.

    On odd sides the low-pass lies one sample off the origin: the original swaps its halves the other way round.
    """
    y, x = centred(height)[:, None], centred(width)[None, :]
    radius = fft.ifftshift(np.hypot(x, y))
    theta = fft.ifftshift(np.arctan2(-y + 0 * x, x + 0 * y))
    radius[0, 0] = 1
    down, right = (np.arange(n) - n // 2 for n in (height, width))
    rho = fft.fftshift(np.hypot((down / height)[:, None], (right / width)[None, :]))
    return Polar(np.log(radius), np.sin(theta), np.cos(theta), 1 / (1 + (rho / 0.45) ** 30))


def centred(n: int) -> Array:
    """Frequencies from -1/2 up: (-n/2 .. n/2-1)/n, and for odd n (-(n-1)/2 .. (n-1)/2)/(n-1)."""
    if n % 2:
        return np.asarray(np.arange(-(n - 1) / 2, (n - 1) / 2 + 1) / max(n - 1, 1))
    return np.asarray(np.arange(-n / 2, n / 2) / n)


def log_gabor(polar: Polar, scale: int) -> Array:
    """Radial filter of one scale: a Gaussian in the logarithm of frequency, low-pass, 0 at the origin."""
    wavelength = SHORTEST * RATIO**scale
    band = np.exp(-((polar.log_radius + np.log(wavelength)) ** 2) / (2 * BANDWIDTH**2)) * polar.lowpass
    band[0, 0] = 0
    return np.asarray(band)


def angular(polar: Polar, angle: float) -> Array:
    """Angular filter of one orientation: a Gaussian of the angle between directions."""
    sine = polar.sine * np.cos(angle) - polar.cosine * np.sin(angle)
    cosine = polar.cosine * np.cos(angle) + polar.sine * np.sin(angle)
    return np.asarray(np.exp(-(np.arctan2(sine, cosine) ** 2) / (2 * ANGULAR_SIGMA**2)))
