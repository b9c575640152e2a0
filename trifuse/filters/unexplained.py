r"""Where the contrast of a source is its own: coarse gradients less what the other sources say of them.

Registered images of one patient share most of their anatomy. What a reader looks for in each of them is the rest:
oedema in FLAIR, an enhancing rim in T1 with contrast agent. The coarse gradient \(X_k\) of every source is therefore
regressed on those of the others, robustly and over the whole head, and what is left,
\(R_k = X_k - \sum_{j \ne k} \beta_{kj} X_j\), says where the source carries a contrast that no other explains.

Sources may also contradict each other: fluid is dark in T1 and bright in T2. Averaged, such gradients cancel and the
ventricles are gone. In every region the contrast is therefore that of the leading source, and a source whose gradients
run against it there has no say in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float32]
"""A grey image or volume, or several of them stacked, in float32."""

CELLS = 64
"""Cells per side in which contrasts are compared: 1/64 of the field of view is the smallest lesion-like contrast."""

REDUNDANT = 0.4
"""Share of a contrast that counts although other sources explain it, so that twins do not cancel each other."""

REACH = 1.5
"""Cells over which amplitudes are smoothed."""

LEADING = 3.0
"""How much more decidedly than the weights the leading source of a region sets the sign of contrasts there."""

AGAINST = 0.15
"""Correlation of gradients, below 0, from which a source runs against the leading one and has no say."""

FLAT = 1e-9
"""Squared change per cell, of the grey range, below which there is nothing to run against."""

ROUNDS = 4


def unexplained(sources: Sequence[Field], power: float = 4.5, gains: Sequence[float] | None = None) -> Field:
    """Weights (N, *space) of sum 1: the share of each source in the contrast of a region.

    Args:
        sources: N images or volumes `(*space)` of one scale of grey.
        power: how decidedly the source with the most contrast of its own wins; 0 = all alike.
        gains: N factors by which contrasts count more than they are.
    """
    space = sources[0].shape
    factors = [max(1, round(n / CELLS)) for n in space]
    sigmas = [max(0.3, n / CELLS / f) for n, f in zip(space, factors, strict=True)]
    cells = [_smooth(averaged(source, factors), sigmas) for source in sources]
    counts = np.asarray(gains or [1.0] * len(cells), np.float32)
    gradients = np.stack([count * _gradient(cell) for count, cell in zip(counts, cells, strict=True)])
    own = np.square(residuals(gradients)).sum(axis=1) + REDUNDANT * np.square(gradients).sum(axis=1)
    wide = [REACH * s for s in sigmas]
    lengths = np.stack([_smooth(np.sqrt(o), wide) for o in own])  # not squares: else a skull outdoes a lesion nearby
    lengths += 1e-4 * lengths.max() + 1e-12  # nobody leads where there is nothing
    shares = lengths / lengths.max(axis=0)
    weights = _part(shares, 2 * power)
    if power > 0:
        weights = weights * _agreement(gradients, _part(shares, 2 * power * LEADING), sigmas)
    weights /= weights.sum(axis=0)
    whole = np.empty((len(weights), *space), np.float32)
    for out, weight in zip(whole, weights, strict=True):
        out[...] = enlarged(weight, space)
    return whole


def _part(shares: Field, power: float) -> Field:
    raised = shares ** np.float32(power)
    return np.asarray(raised / raised.sum(axis=0))


def _smooth(x: Field, sigmas: Sequence[float]) -> Field:
    return np.asarray(gaussian_filter(x, sigmas, mode="nearest"))


def _agreement(gradients: NDArray[np.float32], leading: Field, sigmas: Sequence[float]) -> Field:
    """1 where a source `(N, D, *cells)` does not run against the leading gradients, falling to next to nothing."""
    lead = (leading[:, None] * gradients).sum(axis=0)
    size = _smooth(np.square(lead).sum(axis=0), sigmas)
    together = np.stack([_smooth((own * lead).sum(axis=0), sigmas) for own in gradients])
    sizes = np.stack([_smooth(np.square(own).sum(axis=0), sigmas) for own in gradients])
    return np.asarray(np.clip(1 + together / np.sqrt(sizes * size + FLAT) / AGAINST, 1e-6, 1))


def _gradient(x: Field) -> Field:
    """Central differences `(D, *cells)`; 0 along sides of one cell."""
    return np.stack([np.gradient(x, axis=axis) if n > 1 else np.zeros_like(x) for axis, n in enumerate(x.shape)])


def residuals(gradients: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a robust linear fit of each source by the others leaves of (N, D, *cells)."""
    count = len(gradients)
    flat = gradients.reshape(count, -1).astype(np.float64)
    left = np.empty_like(flat)
    for k in range(count):
        others = np.delete(flat, k, axis=0)
        left[k] = flat[k] - _fit(flat[k], others) @ others
    return left.reshape(gradients.shape).astype(np.float32)


def _fit(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients by reweighted least squares with Cauchy weights, ridge for sources that are alike."""
    size = np.sqrt(np.square(others).sum(axis=0) + values**2)
    counts = size > 0.02 * size.max()
    y, a = values[counts], others[:, counts]
    weights = np.ones_like(y)
    fitted = np.zeros(len(a))
    ridge = 1e-6 * max(float(np.square(a).sum()), 1e-30)
    for _ in range(ROUNDS):
        weighted = a * weights
        fitted = np.linalg.solve(weighted @ a.T + ridge * np.eye(len(a)), weighted @ y)
        left = np.abs(y - fitted @ a)
        scale = 2 * float(np.median(left)) if left.size else 0.0
        if scale == 0:
            break
        weights = 1 / (1 + np.square(left / scale))
    return fitted


def averaged(x: Field, factors: Sequence[int]) -> Field:
    """Means over blocks of `factors` pixels, the last rows repeated where a side is no multiple."""
    for axis, factor in enumerate(factors):
        short = -x.shape[axis] % factor
        if short:
            x = np.concatenate([x, np.repeat(np.take(x, [-1], axis=axis), short, axis=axis)], axis=axis)
        x = x.reshape(*x.shape[:axis], -1, factor, *x.shape[axis + 1 :]).mean(axis=axis + 1, dtype=np.float32)
    return x


def enlarged(x: Field, space: Sequence[int]) -> Field:
    """`x` spread linearly over `space`, of as many cells per side as `averaged` makes."""
    for axis, n in enumerate(space):
        m = x.shape[axis]
        if m == n:
            continue
        at = np.clip((np.arange(n) + 0.5) / -(-n // m) - 0.5, 0, m - 1)
        low = np.minimum(at.astype(np.int64), max(m - 2, 0))
        part = (at - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        near, far = np.take(x, low, axis=axis), np.take(x, np.minimum(low + 1, m - 1), axis=axis)
        near *= 1 - part
        far *= part
        near += far
        x = near
    return x
