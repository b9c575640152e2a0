"""Gradients by Sobel's operators, shared by the edge metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import correlate1d

from trifuse.metrics.pixels import Array, Pixels

DIFFERENCE = np.array([-1.0, 0.0, 1.0])
SMOOTHING = np.array([1.0, 2.0, 1.0])


class Edges(NamedTuple):
    """Strength of the gradient and its angle in -pi/2..pi/2."""

    strength: Array
    angle: Array


def sobel(x: Array, axis: int, mode: str = "constant") -> Array:
    """Central difference along `axis`, smoothed by (1, 2, 1) along the others; zeros beyond the border, or `mode`."""
    for other in range(x.ndim):
        x = correlate1d(x, DIFFERENCE if other == axis else SMOOTHING, axis=other, mode=mode)
    return x


def gradient(image: Pixels) -> tuple[Array, ...]:
    """Sobel gradients along every axis with zeros beyond the border, remembered."""
    return image.once("gradient", lambda: tuple(sobel(image.values, axis) for axis in range(image.values.ndim)))


def strength(image: Pixels) -> Array:
    """Length of the Sobel gradient."""
    return image.once("strength", lambda: np.sqrt(sum(g * g for g in gradient(image))))


def edges(image: Pixels) -> Edges:
    """Strength and angle of a picture's Sobel gradients, pi/2 where gx = 0.

    The y axis points up, so that the angle is atan(-gy / gx).
    """

    def compute() -> Edges:
        gy, gx = gradient(image)
        upright = gx == 0
        angle = np.arctan(-gy / np.where(upright, 1, gx))
        angle[upright] = np.pi / 2
        return Edges(strength(image), angle)

    return image.once("edges", compute)
