"""Gradients by 3-sample operators, shared by the edge metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trifuse.metrics.pixels import Array, Pixels
from trifuse.metrics.windows import Border

SOBEL, PREWITT = 2.0, 1.0
"""Weight of the middle sample in the smoothing (1, w, 1) of the two operators."""


class Edges(NamedTuple):
    """Strength of the gradient and its angle in -pi/2..pi/2."""

    strength: Array
    angle: Array


def gradients(x: Array, border: Border = "constant", middle: float = SOBEL) -> tuple[Array, ...]:
    """Central differences along each axis, smoothed by (1, middle, 1) along the others.

    Args:
        x: `(H, W)` or `(X, Y, Z)`.
        border: what lies beyond the image.
        middle: `SOBEL` or `PREWITT`.
    """
    padded = np.pad(x, 1, mode=border)
    found = []
    for axis in range(x.ndim):
        response = padded
        for other in range(x.ndim):
            before, here, after = (_shifted(response, other, start) for start in range(3))
            response = after - before if other == axis else before + middle * here + after
        found.append(response)
    return tuple(found)


def _shifted(x: Array, axis: int, start: int) -> Array:
    """All but two samples along an axis, from `start` on."""
    chosen = [slice(None)] * x.ndim
    chosen[axis] = slice(start, x.shape[axis] - 2 + start)
    return x[tuple(chosen)]


def length(components: tuple[Array, ...]) -> Array:
    """Length of vectors given by their components."""
    return np.asarray(np.sqrt(sum(g * g for g in components)))


def gradient(image: Pixels) -> tuple[Array, ...]:
    """Sobel gradients along every axis with zeros beyond the border, remembered."""
    return image.once("gradient", lambda: gradients(image.values))


def strength(image: Pixels) -> Array:
    """Length of the Sobel gradient, remembered."""
    return image.once("strength", lambda: length(gradient(image)))


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
