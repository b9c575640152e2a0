"""The window statistic of feature mutual information, compiled.

Each 3 x 3 window of two feature images is read column by column and rescaled to two distributions over 1..9. Their
joint distribution is interpolated between independence and the strongest (or most opposed) coupling that the
marginals allow, so that its correlation is that of the windows. The couplings have at most 17 cells, which are
walked along instead of the 81 of the full table.

Source: Haghighat and Razian, "Fast-FMI", Proc. AICT, 2014, and Haghighat, Aghagolzadeh and Seyedarabi,
"A non-reference image fusion metric based on mutual information of image features", Comput. Electr. Eng. 37, 2011.
"""

from __future__ import annotations

from math import log2, sqrt

import numpy as np

from trifuse.core.compiled import compiled
from trifuse.metrics.pixels import Array

N = 9


def mean_information(x: Array, y: Array, rescaled_first: bool) -> float:
    """Mean normalised mutual information over all 3 x 3 windows of two feature images `(H, W)`.

    Args:
        x: features of the source.
        y: features of the fused image.
        rescaled_first: whether windows of y are rescaled to 0..1 before they are tested for equality with those of x
            (what the original does from its second source on).
    """
    return float(_mean_information(np.ascontiguousarray(x), np.ascontiguousarray(y), rescaled_first))


@compiled()
def _mean_information(x, y, rescaled_first):  # type: ignore[no-untyped-def]
    a, b, p, q = np.empty(N), np.empty(N), np.empty(N), np.empty(N)
    total = 0.0
    for row in range(x.shape[0] - 2):
        for column in range(x.shape[1] - 2):
            for i in range(3):
                for j in range(3):
                    a[3 * j + i] = x[row + i, column + j]
                    b[3 * j + i] = y[row + i, column + j]
            flat_a = _distribution(a, p)
            flat_b = _distribution(b, q)
            if (flat_a and flat_b) or _equal(a, b, rescaled_first):
                total += 1.0
            elif not (flat_a or flat_b):
                total += _information(p, q)
    return total / ((x.shape[0] - 2) * (x.shape[1] - 2))


@compiled()
def _distribution(window, p):  # type: ignore[no-untyped-def]
    """Fills p with the window rescaled to 0..1 and to sum 1; True (p untouched) if the window is constant."""
    low, high = window.min(), window.max()
    if low == high:
        return True
    total = 0.0
    for i in range(N):
        p[i] = (window[i] - low) / (high - low)
        total += p[i]
    for i in range(N):
        p[i] /= total
    return False


@compiled()
def _equal(a, b, rescaled_first):  # type: ignore[no-untyped-def]
    low, high = b.min(), b.max()
    for i in range(N):
        other = b[i]
        if rescaled_first:
            other = (b[i] - low) / (high - low) if high > low else 1.0
        if a[i] != other:
            return False
    return True


@compiled()
def _information(p, q):  # type: ignore[no-untyped-def]
    """2 I / (H + H) of two distributions under the interpolated coupling; 0 where nothing is shared."""
    sp = sq = spq = spp = sqq = 0.0
    mean_p = mean_q = square_p = square_q = 0.0
    entropy_p = entropy_q = 0.0
    for i in range(N):
        dp, dq = p[i] - 1 / N, q[i] - 1 / N
        spq += dp * dq
        spp += dp * dp
        sqq += dq * dq
        mean_p += (i + 1) * p[i]
        mean_q += (i + 1) * q[i]
        square_p += (i + 1) ** 2 * p[i]
        square_q += (i + 1) ** 2 * q[i]
        if p[i] > 0:
            entropy_p -= p[i] * log2(p[i])
        if q[i] > 0:
            entropy_q -= q[i] * log2(q[i])
    sp = sqrt(max(square_p - mean_p**2, 0.0))
    sq = sqrt(max(square_q - mean_q**2, 0.0))
    if spq == 0 or entropy_p == 0 or entropy_q == 0:
        return 0.0
    correlation = spq / sqrt(spp * sqq)
    step = 1 if correlation > 0 else -1
    covariance = _walk(p, q, step, 0.0, False) - mean_p * mean_q
    share = correlation * sp * sq / covariance
    joint = -_walk(p, q, step, share, True)
    rest = 1 - share
    if rest != 0:
        joint -= rest * (log2(abs(rest)) - entropy_p - entropy_q)
    return 2 * (entropy_p + entropy_q - joint) / (entropy_p + entropy_q)


@compiled()
def _walk(p, q, step, share, information):  # type: ignore[no-untyped-def]
    """Walks along the cells of the extreme coupling of p with q (step 1) or with q reversed (step -1).

    Returns:
        The mean product of the two positions or, if `information`, what the cells add to sum J log2 |J| of the joint
        distribution J = share * coupling + (1 - share) * p q^T beyond the independent part alone.
    """
    i, j = 0, 0 if step > 0 else N - 1
    left_p, left_q = p[i], q[j]
    total = 0.0
    while True:
        mass = min(left_p, left_q)
        if mass > 0:
            if information:
                alone = (1 - share) * p[i] * q[j]
                cell = alone + share * mass
                if cell != 0:
                    total += cell * log2(abs(cell))
                if alone != 0:
                    total -= alone * log2(abs(alone))
            else:
                total += mass * (i + 1) * (j + 1)
        left_p -= mass
        left_q -= mass
        if left_p <= 0:
            i += 1
            if i == N:
                return total
            left_p = p[i]
        if left_q <= 0:
            j += step
            if j < 0 or j == N:
                return total
            left_q = q[j]
