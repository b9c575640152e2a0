"""How salient and how clear a detail layer is at each pixel, and the vote that evens out decisions.

Source: Jie et al., Tri-Modal Medical Image Fusion and Denoising Based on BitonicX Filtering, IEEE Trans. Instrum.
Meas. 2023, programs `STO.m`, `clearity.m`, `majority_consist_new.m`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from trifuse.filters.structure_tensor import Plane

CLARITY_HALF = 5
VOTE_WINDOW = 19
EXPONENT = 0.01


def salience(detail: Plane) -> Plane:
    r"""\(\sqrt{(e_1 + e_2)^2 + (e_1 - e_2)^2/2}\) of the eigenvalues of the gradient's outer product.

    The gradient is the difference to the pixel above, and to the pixel **two** columns to the left: not the
    same step both ways, but what was published. Borders are mirrored, edge repeated.
    """
    padded = np.pad(detail, 2, mode="symmetric")
    x = detail - padded[1:-3, 2:-2]
    y = detail - padded[2:-2, :-4]
    a, b = x * x, y * y
    root = np.sqrt((a - b) ** 2 + 4 * (x * y) ** 2)
    larger, smaller = (a + b + root) / 2, (a + b - root) / 2
    strength: Plane = np.sqrt((larger + smaller) ** 2 + (larger - smaller) ** 2 / 2)
    return strength


def clarity(detail: Plane) -> Plane:
    r"""\(\sum |v| (v - v_0)^2\) over the 11x11 pixels v around each pixel v0.

    Borders are mirrored with the edge repeated above, left and right, without it below, as in the original.
    """
    half = CLARITY_HALF
    padded = np.pad(detail, ((half, 0), (half, half)), mode="symmetric")
    padded = np.pad(padded, ((0, half), (0, 0)), mode="reflect")
    height, width = detail.shape
    total = np.zeros_like(detail)
    for u in range(2 * half + 1):
        for v in range(2 * half + 1):
            near = padded[u : u + height, v : v + width]
            total += np.abs(near) * (near - detail) ** 2
    return total


def root_part(detail: Plane) -> Plane:
    r"""\(\operatorname{Re}(H^{0.01})\): negative details become complex, of which comparisons see the real part."""
    root = np.abs(detail) ** EXPONENT
    part: Plane = np.where(detail < 0, root * np.cos(EXPONENT * np.pi), root)
    return part


def majority(decisions: NDArray[np.bool_], window: int = VOTE_WINDOW) -> NDArray[np.bool_]:
    """True where at least half of a window x window neighbourhood (odd, mirrored border) is true."""
    ones = np.ones(window, np.int64)
    votes = correlate1d(correlate1d(decisions.astype(np.int64), ones, axis=0), ones, axis=1)
    won: NDArray[np.bool_] = votes >= window * window / 2
    return won
