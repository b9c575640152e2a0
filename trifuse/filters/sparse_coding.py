r"""Sparse coding of image patches: Batch-OMP, and fusion of textures by the larger L1 norm of their codes.

Sources: Rubinstein, Zibulevsky, Elad, "Efficient implementation of the K-SVD algorithm using Batch Orthogonal
Matching Pursuit", Technion report CS-2008-08, 2008, section 3; Jie et al., Measurement 204, 112038, 2022 (textures).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.core.compiled import compiled
from trifuse.filters.threads import threads

CHUNK = 512
"""Signals coded at a time: their correlations with 512 atoms take 2 MiB."""

BLOCK = 64
"""Correlations whose maximum is taken at a time."""

UNSIGNED = np.int64(0x7FFFFFFFFFFFFFFF)
"""Mask of a double's bits without its sign."""

SMALLEST = 1e-14
"""Squared correlation, or squared new pivot, below which nothing more can be gained."""


class Codes(NamedTuple):
    """Sparse codes of N signals.

    Attributes:
        counts: (N,) number of atoms of each.
        atoms: (N, most) indices of the atoms in the order of their choice; only the first `counts` are meant.
        coefficients: (N, most) their coefficients.
    """

    counts: NDArray[np.int64]
    atoms: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    @property
    def l1(self) -> NDArray[np.float64]:
        """(N,) sum of the absolute coefficients."""
        total: NDArray[np.float64] = np.abs(self.coefficients).sum(axis=1)
        return total


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Atoms of unit norm and their Gram matrix.

    Attributes:
        atoms: (rows, number of atoms); a column is a square patch read column by column.
        gram: (number of atoms, number of atoms).
    """

    atoms: NDArray[np.float64]
    gram: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: NDArray[np.float64]) -> Dictionary:
        """Dictionary from any columns that are not zero; they are brought to unit 2-norm."""
        unit = np.ascontiguousarray(atoms / np.linalg.norm(atoms, axis=0))
        return cls(unit, np.ascontiguousarray(unit.T @ unit))

    @property
    def side(self) -> int:
        """Side of the patches in pixels."""
        return isqrt(self.atoms.shape[0])


def overcomplete_dct(side: int = 8, frequencies: int = 23) -> NDArray[np.float64]:
    r"""Separable overcomplete cosine dictionary `(side^2, frequencies^2)` of unit columns.

    Along one axis the atoms are \(\cos(k p \pi / P)\), k = 0..side-1, p = 0..P-1, without their mean for p > 0
    (Elad, Aharon, "Image denoising via sparse and redundant representations", IEEE TIP 15(12), 2006).
    """
    waves = np.cos(np.outer(np.arange(side), np.arange(frequencies)) * np.pi / frequencies)
    waves[:, 1:] -= waves[:, 1:].mean(axis=0)
    waves /= np.sqrt(np.sum(waves * waves, axis=0))
    return np.asarray(np.kron(waves, waves), dtype=np.float64)


def batch_omp(
    signals: NDArray[np.float64], dictionary: Dictionary, *, epsilon: float = 0.0, sparsity: int | None = None
) -> Codes:
    """Orthogonal matching pursuit of many signals.

    Args:
        signals: (N, rows), one signal a row.
        dictionary: what to code in.
        epsilon: largest 2-norm of the residual; a signal no longer than that has an empty code.
        sparsity: number of atoms to use instead of an error bound.

    Signals are shared among `threads()`.
    """
    rows, _ = dictionary.atoms.shape
    most = rows if sparsity is None else sparsity
    bound = epsilon**2 if sparsity is None else -1.0
    codes = Codes(
        np.zeros(len(signals), np.int64),
        np.zeros((len(signals), most), np.int64),
        np.zeros((len(signals), most)),
    )
    energy = np.einsum("ij,ij->i", signals, signals)
    busy = np.flatnonzero(energy > bound)

    def code(start: int) -> None:
        chosen = busy[start : start + CHUNK]
        correlations = signals[chosen] @ dictionary.atoms
        _pursue(correlations, energy, dictionary.gram, bound, chosen, codes.counts, codes.atoms, codes.coefficients)

    with ThreadPoolExecutor(threads()) as pool:  # the compiled part lets go of the interpreter lock
        list(pool.map(code, range(0, len(busy), CHUNK)))
    return codes


class FusedTexture(NamedTuple):
    """Result of `fuse_textures`.

    Attributes:
        fused: (H, W).
        codes: sparse codes of the two layers, patches row by row.
        patches: number of patches down and across.
    """

    fused: NDArray[np.float64]
    codes: tuple[Codes, Codes]
    patches: tuple[int, int]


def fuse_textures(
    a: NDArray[np.float64], b: NDArray[np.float64], dictionary: Dictionary, *, overlap: int = 6, epsilon: float = 0.01
) -> FusedTexture:
    r"""Patch by patch the code of larger L1 norm (a tie keeps `a`), averaged over the overlapping patches.

    Pixels that no patch covers (the last row or column of odd sizes, sides below the patch) get \((a + b)/2\).

    Args:
        a, b: texture layers (H, W).
        dictionary: what to code in.
        overlap: pixels shared by neighbouring patches.
        epsilon: largest 2-norm of the error of a patch.
    """
    side, step = dictionary.side, dictionary.side - overlap
    if min(a.shape) < side:
        empty = batch_omp(np.zeros((0, side * side)), dictionary, epsilon=epsilon)
        return FusedTexture((a + b) / 2, (empty, empty), (0, 0))
    codes_a = batch_omp(patches(a, side, step), dictionary, epsilon=epsilon)
    codes_b = batch_omp(patches(b, side, step), dictionary, epsilon=epsilon)
    second = codes_a.l1 < codes_b.l1
    kept = Codes(
        np.where(second, codes_b.counts, codes_a.counts),
        np.where(second[:, None], codes_b.atoms, codes_a.atoms),
        np.where(second[:, None], codes_b.coefficients, codes_a.coefficients),
    )
    grid = tuple((n - side) // step + 1 for n in a.shape)
    total, cover = np.zeros_like(a), np.zeros_like(a)
    _assemble(*kept, np.ascontiguousarray(dictionary.atoms.T), grid[1], side, step, total, cover)
    fused = np.divide(total, cover, out=(a + b) / 2, where=cover > 0)
    return FusedTexture(fused, (codes_a, codes_b), (grid[0], grid[1]))


def patches(image: NDArray[np.float64], side: int, step: int) -> NDArray[np.float64]:
    """All patches `(N, side^2)` whose corners lie on multiples of `step`, row by row, each read column by column."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))[::step, ::step]
    return np.ascontiguousarray(windows.transpose(0, 1, 3, 2)).reshape(-1, side * side)


@compiled()
def _largest(alpha):  # type: ignore[no-untyped-def]
    """First index of the largest absolute value: maxima of blocks, then the position inside the best block.

    Absolute values are compared by their bits, as integers: the same order, and the compiler vectorises it.
    """
    bits = alpha.view(np.int64)
    best, where = np.int64(-1), 0
    for start in range(0, bits.size, BLOCK):
        top = np.int64(0)
        for j in range(start, min(start + BLOCK, bits.size)):
            top = max(top, bits[j] & UNSIGNED)
        if top > best:
            best, where = top, start
    while bits[where] & UNSIGNED != best:
        where += 1
    return where


@compiled(fastmath={"contract", "reassoc", "nsz"})
def _deflate(alpha, basis, z, k, gram_row, pivot, gain):  # type: ignore[no-untyped-def]
    """Basis row k = (Gram row - sum of z_i basis row i) / pivot; alpha loses `gain` times that row.

    The rows of `basis` are the correlations of all atoms with the chosen ones made orthonormal.
    """
    n = alpha.size
    new = basis[k]
    for j in range(n):
        new[j] = gram_row[j]
    i = k % 4
    for m in range(i):
        row, weight = basis[m], z[m]
        for j in range(n):
            new[j] -= weight * row[j]
    while i < k:
        b0, b1, b2, b3 = basis[i], basis[i + 1], basis[i + 2], basis[i + 3]
        z0, z1, z2, z3 = z[i], z[i + 1], z[i + 2], z[i + 3]
        for j in range(n):
            new[j] -= z0 * b0[j] + z1 * b1[j] + z2 * b2[j] + z3 * b3[j]
        i += 4
    scale = 1 / pivot
    for j in range(n):
        new[j] *= scale
        alpha[j] -= gain * new[j]


@compiled()
def _pursue(correlations, energy, gram, bound, chosen, count, atoms, coefficients):  # type: ignore[no-untyped-def]
    r"""Batch-OMP of the signals `chosen`; `bound` < 0 means a fixed number of atoms. Fills the last three arrays.

    With \(G_{II} = L L'\) and \(y = L^{-1} \alpha^0_I\), one more atom adds one row to L and one entry to y, the
    correlations lose \(y_k b_k\), where \(b_k\) is the new row of \(L^{-1} G_I\), and the residual \(y_k^2\); the
    coefficients \(L'^{-1} y\) are needed only at the end.
    """
    most = coefficients.shape[1]
    n = gram.shape[0]
    factor = np.zeros((most, most))
    forward = np.zeros(most)
    basis = np.zeros((most, n + 8))  # rows not a power of 2 apart: their columns share no cache set
    alpha = np.zeros(n)
    taken = np.zeros(n, np.bool_)
    for row in range(chosen.size):
        signal = chosen[row]
        support, c = atoms[signal], coefficients[signal]
        alpha[:] = correlations[row]
        residual, k = energy[signal], 0
        while k < most and residual > bound:
            new = _largest(alpha)
            if taken[new] or alpha[new] * alpha[new] < SMALLEST:
                break
            z = factor[k]
            squared = 1.0
            for i in range(k):
                z[i] = basis[i, new]  # the solution of L z = G[I, new] is already there
                squared -= z[i] * z[i]
            if squared <= SMALLEST:
                break
            z[k] = np.sqrt(squared)
            forward[k] = alpha[new] / z[k]
            _deflate(alpha, basis, z, k, gram[new], z[k], forward[k])
            residual -= forward[k] * forward[k]
            support[k] = new
            taken[new] = True
            k += 1
        for i in range(k - 1, -1, -1):
            value = forward[i]
            for j in range(i + 1, k):
                value -= factor[j, i] * c[j]
            c[i] = value / factor[i, i]
            taken[support[i]] = False
        count[signal] = k


@compiled()
def _assemble(count, atoms, coefficients, words, across, side, step, total, cover):  # type: ignore[no-untyped-def]
    """Adds every decoded patch (read column by column) to `total` and 1 to `cover` under it."""
    patch = np.zeros(side * side)
    for n in range(count.size):
        top, left = (n // across) * step, (n % across) * step
        patch[:] = 0.0
        for i in range(count[n]):
            patch += coefficients[n, i] * words[atoms[n, i]]
        for column in range(side):
            for row in range(side):
                total[top + row, left + column] += patch[column * side + row]
                cover[top + row, left + column] += 1.0
