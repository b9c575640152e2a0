"""What a small picture shows of how it was made: numbers from its spectrum, its noise and its grey levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EDGES = (0.06, 0.12, 0.18, 0.24, 0.3, 0.36, 0.42, 0.5, 0.71)
"""Of the rings of frequencies, in cycles per pixel."""

COUNT = len(EDGES) + 4
"""Numbers that there are."""

NONE = 1e-3
"""Power and noise, in grey levels, below which there is none to speak of."""


def traces(picture: NDArray[np.floating]) -> NDArray[np.float32]:
    """The traces of a grey picture `(H, W)`, grey levels 0..255, sides of 16 and more: `(COUNT,)`.

    The logarithm of power in rings of frequencies in units of the lowest; the deviation of second differences over all
    and where it is dark; the share of exact zeros; the share of values that are no whole level; steps between blocks of
    8 x 8 beside those inside.
    """
    plane = np.asarray(picture, dtype=np.float64)
    rough = np.abs(_second_differences(plane))
    dark = plane[1:-1, 1:-1] < 0.25 * plane.mean()
    numbers = [
        *_spectrum(plane),
        np.log(np.median(rough) + 0.1),
        np.log((np.median(rough[dark]) if dark.any() else 0.0) + 0.1),
        (plane == 0).mean(),
        (np.abs(plane - np.rint(plane)) > NONE).mean(),
        np.log(_blockiness(plane)),
    ]
    return np.array(numbers, dtype=np.float32)


def _spectrum(plane: NDArray[np.float64]) -> list[float]:
    """Log power of every ring but the lowest, in units of the lowest."""
    window = np.outer(np.hanning(plane.shape[0]), np.hanning(plane.shape[1]))
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2 / plane.size + NONE
    frequency = np.hypot(np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1])[None])
    rings = [power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(EDGES)]
    return [float(np.log(ring / rings[0])) for ring in rings[1:]] + [float(np.log(rings[0]))]


def _second_differences(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mixed second difference, which edges and slopes hardly have, in units of white noise (Immerkaer 1996)."""
    kernel = np.array([1.0, -2.0, 1.0])
    rows = sum(weight * plane[at : plane.shape[0] - 2 + at] for at, weight in enumerate(kernel))
    both = sum(weight * rows[:, at : plane.shape[1] - 2 + at] for at, weight in enumerate(kernel))
    return np.asarray(both) / 6


def _blockiness(plane: NDArray[np.float64]) -> float:
    """Mean step between columns and rows at multiples of 8, in units of all."""
    steps = [np.abs(np.diff(plane, axis=axis)).mean(axis=1 - axis) for axis in (0, 1)]
    at = [step[7::8] for step in steps if len(step) >= 8]
    every = float(np.concatenate(steps).mean())
    return (float(np.concatenate(at).mean()) + NONE) / (every + NONE) if at else 1.0
