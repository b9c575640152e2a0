"""Networks of neurons that fire the more often, the stronger an image is around them.

`pulse_coupled` is the parameter-adaptive pulse-coupled network (PA-PCNN; Yin et al., IEEE Trans. Instrum. Meas. 2019)
as the BitonicX fusion uses it, `coupled_membranes` its coupled neural P system (Li et al., Inf. Fusion 2021).
Source of the constants: Jie et al., Tri-Modal Medical Image Fusion and Denoising Based on BitonicX Filtering, IEEE
Trans. Instrum. Meas. 2023, programs `MSMG_PAPCNN.m`, `multiscale_morph.m`, `PA_PCNN.m`, `CNP_test.m`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from trifuse.core.compiled import compiled, compiled_part
from trifuse.filters.structure_tensor import Plane

ITERATIONS = 110

Counts = NDArray[np.uint8]
"""How often each neuron fired, (H, W)."""


class PulseParameters(NamedTuple):
    r"""Parameters of the network, from the size of the detail layer: NaN or infinite where it holds none.

    Attributes:
        decay: \(\alpha_f\) of the feeding.
        linking: \(\lambda\), how much neighbours count.
        amplitude: \(V\), by which a firing raises the threshold.
        threshold_decay: \(\alpha_e\).
    """

    decay: float
    linking: float
    amplitude: float
    threshold_decay: float


def morphological_gradient(detail: Plane) -> Plane:
    """A third of dilation minus erosion of |detail| over 5x5 pixels: the stimulus of the network."""
    size = np.abs(detail)
    gradient: Plane = (maximum_filter(size, 5, mode="nearest") - minimum_filter(size, 5, mode="nearest")) / 3
    return gradient


def otsu_threshold(image: Plane) -> float:
    """Otsu's threshold of an image in 0..1 (values outside are clipped), in 256 steps; equal maxima are averaged.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 1979.
    """
    grey = np.floor(255 * np.clip(np.nan_to_num(image), 0, 1) + 0.5).astype(np.int64)
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below = np.cumsum(share)
    mean = np.cumsum(share * np.arange(1, 257))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1 - below))
    between[~np.isfinite(between)] = -1
    best = between.max()
    if best < 0:
        return 0.0
    return float(np.flatnonzero(between == best).mean()) / 255


def pulse_parameters(detail: Plane) -> PulseParameters:
    r"""With s the deviation, S' the maximum and S* Otsu's threshold of |detail|:

    \(\alpha_f = \log_{10}(1/s)\), \(\lambda = (S'/S^* - 1)/6\), \(V = e^{-\alpha_f} + S'/S^*\),
    \(m = (1 - e^{-3\alpha_f})/(1 - e^{-\alpha_f}) + (S'/S^* - 1) e^{-\alpha_f}\), \(\alpha_e = \ln(V/(S^* m))\).
    """
    size = np.abs(detail)
    deviation = np.std(size, ddof=1) if size.size > 1 else np.float64(0)
    otsu = np.float64(otsu_threshold(size))
    with np.errstate(all="ignore"):
        decay = np.log10(1 / deviation)
        fading = np.exp(-decay)
        ratio = size.max() / otsu
        amplitude = fading + ratio
        m = (1 - np.exp(-3 * decay)) / (1 - fading) + (ratio - 1) * fading
        threshold_decay = np.log(amplitude / (otsu * m))
        return PulseParameters(float(decay), float((ratio - 1) / 6), float(amplitude), float(threshold_decay))


def pulse_coupled(detail: Plane) -> Counts:
    r"""How often each neuron fires in 110 steps, for a detail layer (H, W).

    \(U \leftarrow e^{-\alpha_f} U + S (1 + \lambda K)\), \(Y \leftarrow [U > E]\),
    \(E \leftarrow e^{-\alpha_e} E + V Y\), from U = 0, Y = 0, E = 1; S the stimulus, K the sum of the neighbours' Y
    (diagonal ones half). Where the parameters are not finite (a layer without detail) none fires.
    """
    parameters = pulse_parameters(detail)
    with np.errstate(all="ignore"):
        fading = float(np.exp(-np.float64(parameters.decay)))
        threshold_fading = float(np.exp(-np.float64(parameters.threshold_decay)))
    fired = np.zeros(detail.shape, np.uint8)
    stimulus = np.ascontiguousarray(morphological_gradient(detail))
    framed = np.zeros((2, detail.shape[0] + 2, detail.shape[1] + 2))
    state = (np.zeros_like(stimulus), np.ones_like(stimulus), framed[0], framed[1])
    _pulse(stimulus, fading, parameters.linking, parameters.amplitude, threshold_fading, *state, fired)
    return fired


@compiled(error_model="numpy")
def _pulse(  # type: ignore[no-untyped-def]
    stimulus, fading, linking, amplitude, threshold_fading, energy, threshold, firing, fires, fired
):
    height, width = stimulus.shape
    for _ in range(ITERATIONS):
        for r in range(height):
            above, same, below = firing[r], firing[r + 1], firing[r + 2]
            for c in range(width):
                corners = above[c] + above[c + 2] + below[c] + below[c + 2]
                sides = above[c + 1] + same[c] + same[c + 2] + below[c + 1]
                near = 0.5 * corners + sides
                energy[r, c] = fading * energy[r, c] + stimulus[r, c] * (1 + linking * near)
                on = 1.0 if energy[r, c] > threshold[r, c] else 0.0
                threshold[r, c] = threshold_fading * threshold[r, c] + amplitude * on
                fires[r + 1, c + 1] = on
                fired[r, c] += np.uint8(on)
        firing, fires = fires, firing


def coupled_membranes(stimulus: Plane) -> Counts:
    r"""How often each membrane of a coupled neural P system fires in 110 steps, for a stimulus (H, W) of 0 and more.

    Spikes reach 7x7 neighbours, weight 1/distance, sum w. A membrane at rest gathers, \(F \leftarrow F + S + w\),
    \(L \leftarrow L + w\); one that fired starts anew with \(F = S + w\), \(L = w\) and from then on at threshold 1
    instead of 0.3. It fires where \(F (1 + L)\) reaches its threshold.
    """
    fired = np.zeros(stimulus.shape, np.uint8)
    offset = np.arange(-3, 4)
    distance = np.hypot(offset[:, None], offset[None, :])
    weights = np.divide(1, distance, out=np.zeros_like(distance), where=distance > 0)
    height, width = stimulus.shape
    gathered, threshold = np.zeros((2, height, width)), np.full((height, width), 0.3)
    spikes, some = np.zeros((2, height + 6, width + 6)), np.zeros((2, height + 6), np.bool_)
    _couple(np.ascontiguousarray(stimulus), weights, *gathered, threshold, *spikes, *some, np.empty(width), fired)
    return fired


@compiled(error_model="numpy")
def _couple(  # type: ignore[no-untyped-def]
    stimulus, weights, feeding, linking, threshold, spikes, next_spikes, some, next_some, near, fired
):
    height, width = stimulus.shape
    for _ in range(ITERATIONS):
        for r in range(height):
            for c in range(width):
                near[c] = 0.0
            for v in range(7):
                for u in range(7):
                    if some[r + u] and (u != 3 or v != 3):
                        _add_scaled(near, spikes[r + u], np.uint64(v), weights[u, v])
            next_some[r + 3] = False
            for c in range(width):
                on = spikes[r + 3, c + 3] > 0
                feeding[r, c] = stimulus[r, c] + near[c] + (0.0 if on else feeding[r, c])
                linking[r, c] = near[c] + (0.0 if on else linking[r, c])
                threshold[r, c] = 1.0 if on else threshold[r, c]
                fires = feeding[r, c] * (1 + linking[r, c]) >= threshold[r, c]
                next_spikes[r + 3, c + 3] = 1.0 if fires else 0.0
                next_some[r + 3] |= fires
                fired[r, c] += np.uint8(fires)
        spikes, next_spikes = next_spikes, spikes
        some, next_some = next_some, some


@compiled_part
def _add_scaled(total, values, start, weight):  # type: ignore[no-untyped-def]
    """A loop of its own, so that the compiler can vectorise it."""
    for c in range(np.uint64(total.size)):
        total[c] += weight * values[start + c]
