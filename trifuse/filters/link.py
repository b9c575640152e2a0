r"""The polynomial that links two modalities: ultrasound from MRI and the magnitude of its gradient.

Source: El Mansouri et al., "Fusion of magnetic resonance and ultrasound images for endometriosis detection", IEEE TIP
29, 2020, section II-C: \(u \approx f(x, g) = \sum_{i+j \le 4} c_{ij} g^i x^j\), 15 coefficients in the order of
`EXPONENTS`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXPONENTS = [(i, j) for i in range(5) for j in range(5 - i)]
"""(power of g, power of x) of each monomial."""


def polynomial(c: Array, x: Array, g: Array) -> Array:
    """f(x, g) with coefficients c (15,), by Horner's rule in both variables; x and g of one shape."""
    inner = [
        c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4]))),
        c[5] + x * (c[6] + x * (c[7] + x * c[8])),
        c[9] + x * (c[10] + x * c[11]),
        c[12] + x * c[13],
    ]
    value: Array = inner[0] + g * (inner[1] + g * (inner[2] + g * (inner[3] + g * c[14])))
    return value


def derivative(c: Array, x: Array, g: Array) -> Array:
    r"""\(\partial f / \partial x\) at (x, g)."""
    inner = [
        c[1] + x * (2 * c[2] + x * (3 * c[3] + x * 4 * c[4])),
        c[6] + x * (2 * c[7] + x * 3 * c[8]),
        c[10] + x * 2 * c[11],
    ]
    value: Array = inner[0] + g * (inner[1] + g * (inner[2] + g * c[13]))
    return value


def fit(x: Array, g: Array, target: Array, cutoff: str | float) -> Array:
    """Least-squares coefficients (15,) of `target` on the monomials at (x, g), by the pseudo-inverse.

    Args:
        x, g, target: equal shapes.
        cutoff: singular values up to this fraction of the largest are dropped, or "matlab" for MATLAB's own rule:
            max(size) times the spacing of doubles at the largest.
    """
    powers_x, powers_g = ([np.ones(x.size), *(v.ravel() ** k for k in range(1, 5))] for v in (x, g))
    monomials = np.stack([powers_g[i] * powers_x[j] for i, j in EXPONENTS]).T
    u, s, vt = np.linalg.svd(monomials, full_matrices=False)
    least = max(monomials.shape) * np.spacing(s[0]) if isinstance(cutoff, str) else cutoff * s[0]
    inverse = np.divide(1, s, out=np.zeros_like(s), where=s > least)
    c: Array = vt.T @ (inverse * (u.T @ target.ravel()))
    return c


def backward_gradient(x: Array) -> Array:
    """Magnitude of backward differences with mirrored border (the first row and column have none): variant py."""
    horizontal, vertical = np.zeros_like(x), np.zeros_like(x)
    horizontal[:, 1:] = x[:, :-1] - x[:, 1:]
    vertical[1:] = x[:-1] - x[1:]
    return np.hypot(horizontal, vertical)


def forward_gradient(x: Array) -> Array:
    """Magnitude of forward differences with zeros outside, so that border pixels differ from 0: variant ml."""
    horizontal, vertical = x.copy(), x.copy()
    horizontal[:, :-1] -= x[:, 1:]
    vertical[:-1] -= x[1:]
    return np.hypot(horizontal, vertical)


def row_gradient(x: Array) -> Array:
    """What variant py takes for the gradient inside its ultrasound step: differences along the flattened rows."""
    flat = np.zeros(x.size)
    flat[1:] = np.abs(np.diff(x.ravel()))
    return flat.reshape(x.shape)


def column_gradient(x: Array) -> Array:
    """What variant ml takes for it: differences along the flattened columns, and the pixel itself beside them."""
    column = x.ravel(order="F")
    following = np.append(column[1:], 0.0)
    magnitude: Array = np.hypot(column, column - following)
    return magnitude.reshape(x.shape, order="F")
