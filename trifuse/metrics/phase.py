"""Phase congruency of an image: where its Fourier components agree in phase, and how strongly they make edges.

Source: Kovesi, "Image features from phase congruency", Videre 1, 1999, with the noise estimate and the moments of
his later programs, as the fusion metric Q_P uses them.
"""

from __future__ import annotations

from math import cos, exp, sin, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from trifuse.core.compiled import compiled
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
    """Logarithm of the radial frequency, direction and low-pass gain, in the order of the FFT."""

    log_radius: Array
    direction: Array
    lowpass: Array


class Sums(NamedTuple):
    """What is summed over the orientations: weighted energy, amplitude, and the covariance of congruency."""

    energy: Array
    amplitude: Array
    xx: Array
    yy: Array
    xy: Array


def phase_congruency(x: Array) -> Congruency:
    """Phase congruency of an image `(H, W)` over 4 scales and 6 orientations."""
    polar = frequencies(x.shape[0], x.shape[1])
    spectrum = fft.fft2(x)
    sums = Sums(*(np.zeros_like(x) for _ in Sums._fields))
    for index in range(ORIENTATIONS):
        add_orientation(sums, spectrum, polar, index * np.pi / ORIENTATIONS)
    xx, yy, xy = sums.xx / (ORIENTATIONS / 2), sums.yy / (ORIENTATIONS / 2), sums.xy / ORIENTATIONS
    root = np.sqrt(xy**2 + (xx - yy) ** 2) + EPS
    return Congruency(sums.energy / (sums.amplitude + EPS), (xx + yy + root) / 2, (xx + yy - root) / 2)


def add_orientation(sums: Sums, spectrum: NDArray[np.complex128], polar: Polar, angle: float) -> None:
    """Adds the local energy along one orientation to the sums."""
    spread = angular(polar, angle)
    responses = np.empty((SCALES, *spread.shape), dtype=np.complex128)
    filters = np.zeros_like(spread)
    power = 0.0
    for scale in range(SCALES):
        band = log_gabor(polar, scale)
        band *= spread
        responses[scale] = fft.ifft2(np.multiply(spectrum, band, out=responses[scale]), overwrite_x=True)
        if scale == 0:
            typical = np.median(responses.real[0] ** 2 + responses.imag[0] ** 2) / np.log(2)
            power = float(typical / np.sum(band**2))
        filters += band
    _accumulate(responses.reshape(SCALES, -1), noise_threshold(filters, power), angle, *(s.ravel() for s in sums))


@compiled()
def _accumulate(responses, threshold, angle, energies, amplitudes, xx, yy, xy):  # type: ignore[no-untyped-def]
    """Local energy above noise, weighted by how widely the response spreads over the scales.

    Energy is sum_s [e_s E + o_s O - |e_s O - o_s E|], with (e_s, o_s) the even and odd response at scale s and (E, O)
    the unit vector along their sum.
    """
    scales = responses.shape[0]
    for i in range(responses.shape[1]):
        even = odd = amplitude = largest = 0.0
        for s in range(scales):
            response = responses[s, i]
            even += response.real
            odd += response.imag
            size = sqrt(response.real**2 + response.imag**2)
            amplitude += size
            largest = max(largest, size)
        length = sqrt(even**2 + odd**2) + EPS
        even /= length
        odd /= length
        energy = -threshold
        for s in range(scales):
            response = responses[s, i]
            energy += response.real * even + response.imag * odd - abs(response.real * odd - response.imag * even)
        amplitudes[i] += amplitude
        if energy > 0:
            width = amplitude / (largest + EPS) / scales
            energy /= 1 + exp(GAIN * (CUTOFF - width))
            energies[i] += energy
            congruent = energy / amplitude
            xx[i] += (congruent * cos(angle)) ** 2
            yy[i] += (congruent * sin(angle)) ** 2
            xy[i] += congruent**2 * cos(angle) * sin(angle)


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
    return Polar(np.log(radius), theta, 1 / (1 + (rho / 0.45) ** 30))


def centred(n: int) -> Array:
    """Frequencies from -1/2 up: (-n/2 .. n/2-1)/n, and for odd n (-(n-1)/2 .. (n-1)/2)/(n-1)."""
    if n % 2:
        return np.asarray(np.arange(-(n - 1) / 2, (n - 1) / 2 + 1) / max(n - 1, 1))
    return np.asarray(np.arange(-n / 2, n / 2) / n)


def log_gabor(polar: Polar, scale: int) -> Array:
    """Radial filter of one scale: a Gaussian in the logarithm of frequency, low-pass, 0 at the origin."""
    wavelength = SHORTEST * RATIO**scale
    band = polar.log_radius + np.log(wavelength)
    band **= 2
    band /= -2 * BANDWIDTH**2
    np.exp(band, out=band)
    band *= polar.lowpass
    band[0, 0] = 0
    return np.asarray(band)


def angular(polar: Polar, angle: float) -> Array:
    """Angular filter of one orientation: a Gaussian of the angle between directions."""
    apart = np.abs(polar.direction - angle)
    apart = np.minimum(apart, 2 * np.pi - apart)
    return np.asarray(np.exp(-(apart**2) / (2 * ANGULAR_SIGMA**2)))
