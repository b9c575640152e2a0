"""Histograms of grey levels and what information theory makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trifuse.metrics.pixels import Array, Pixels

LEVELS = 256


def levels(image: Pixels) -> NDArray[np.intp]:
    """Grey levels rounded to 0..255, as a list."""
    return image.once("levels", lambda: np.rint(image.values).astype(np.intp).ravel())


def counts(image: Pixels) -> NDArray[np.intp]:
    """How often each of the 256 grey levels occurs."""
    return image.once("counts", lambda: np.bincount(levels(image), minlength=LEVELS))


def joint_counts(x: Pixels, y: Pixels) -> NDArray[np.intp]:
    """How often each pair of grey levels occurs, `(256, 256)`, levels of x along the rows."""

    def compute() -> NDArray[np.intp]:
        pairs = np.bincount(levels(x) * LEVELS + levels(y), minlength=LEVELS**2)
        return pairs.reshape(LEVELS, LEVELS)

    return x.once(("joint", y), compute)


def probabilities(occurrences: NDArray[np.intp]) -> Array:
    """Relative frequencies."""
    return np.asarray(occurrences / occurrences.sum())


def entropy(occurrences: NDArray[np.intp]) -> float:
    """Entropy in bits, -sum p log2 p."""
    seen = occurrences[occurrences > 0]
    p = seen / seen.sum()
    return float(abs(np.sum(p * np.log2(p))))


def entropy_of(image: Pixels) -> float:
    """Entropy of an image's grey levels, in bits."""
    return image.once("entropy", lambda: entropy(counts(image)))


def information(x: Pixels, y: Pixels) -> float:
    """Mutual information in bits, I(X;Y) = H(X) + H(Y) - H(X,Y)."""
    return x.once(
        ("information", y),
        lambda: entropy_of(x) + entropy_of(y) - entropy(joint_counts(x, y)),
    )


def binned(values: Array, bins: int) -> NDArray[np.intp]:
    """Number of the bin of each value, for `bins` equal bins between minimum and maximum, the last one closed.

    The edges and comparisons are those of `numpy.histogram2d`. A constant image falls into one bin.
    """
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros(values.size, dtype=np.intp)
    edges = np.linspace(low, high, bins + 1)
    found = np.searchsorted(edges, values.ravel(), side="right") - 1
    return np.minimum(found, bins - 1)


def binned_joint(x: Array, y: Array, bins: int) -> NDArray[np.intp]:
    """Joint counts `(bins, bins)` over the data ranges of both images."""
    pairs = np.bincount(binned(x, bins) * bins + binned(y, bins), minlength=bins * bins)
    return pairs.reshape(bins, bins)


def joint_information(pairs: NDArray[np.intp]) -> float:
    """Mutual information of a table of joint counts, in bits."""
    return entropy(pairs.sum(axis=1)) + entropy(pairs.sum(axis=0)) - entropy(pairs)


def density(x: Array, y: Array, bins: int) -> Array:
    """Joint probabilities `(bins, bins)` of two float32 images 0..1 by the density that `numpy.histogram2d` gives.

    In single precision the bins are not quite equally wide, and the density is divided by their widths: an effect in
    the 7th digit that is part of the originals' values.
    """
    single = [(image / 255).astype(np.float32).ravel() for image in (x, y)]
    table, _, _ = np.histogram2d(single[0], single[1], bins=bins, density=True)
    return np.asarray(table / table.sum(), dtype=np.float64)


def entropies(p: Array) -> tuple[float, float, float]:
    """Entropies of the rows, of the columns and of the whole of a table of joint probabilities, in bits."""
    rows, columns, whole = (t[t > 0] for t in (p.sum(axis=1), p.sum(axis=0), p))
    return tuple(float(abs(np.sum(t * np.log2(t)))) for t in (rows, columns, whole))  # type: ignore[return-value]
