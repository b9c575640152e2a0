"""CTSR against the straight procedure of its paper, patch by patch, in one run and at equal output.

    python -m benchmarks.ctsr [--size 96] [--whole]

The straight procedure is what the original program does, written in NumPy: the bilateral grid is filled pixel by pixel
and every patch is coded by a call of its own. `--whole` also times three 256 x 256 sources with our code alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate, gaussian_filter, map_coordinates

from trifuse.filters.energy import choose_energy
from trifuse.filters.sparse_coding import Dictionary, overcomplete_dct
from trifuse.methods.ctsr import CTSR, load_dictionary

Array = NDArray[np.float64]


def main() -> None:
    """Times both, checks that they agree, prints the ratio."""
    parser = argparse.ArgumentParser(description="CTSR against the straight procedure.")
    parser.add_argument("--size", type=int, default=96, help="side of the two test images")
    parser.add_argument("--whole", action="store_true", help="also fuse three 256 x 256 sources")
    arguments = parser.parse_args()
    a, b = (picture(arguments.size, seed) for seed in (0, 1))
    with tempfile.TemporaryDirectory() as folder:
        atoms = Path(folder) / "atoms.npz"
        np.savez(atoms, atoms=atoms_without_ties())
        ctsr = CTSR(dictionary=str(atoms))
        ctsr.fuse_pair(a[:24, :24], b[:24, :24])  # compiles, loads
    ours_s, ours = timed(lambda: ctsr.fuse_pair(a, b).fused)
    straight_s, straight = timed(lambda: straight_fusion(a, b, load_dictionary(ctsr.dictionary)))
    difference = float(np.abs(ours - straight).max())
    print(f"ctsr, two {arguments.size} x {arguments.size} greys: straight {straight_s:.2f} s, ours {ours_s:.3f} s CPU")
    print(f"ratio {straight_s / ours_s:.1f}, largest difference {difference:.1e}")
    if arguments.whole:
        a, b, c = (picture(256, seed) for seed in range(3))
        seconds, _ = timed(lambda: ctsr.fuse_pair(ctsr.fuse_pair(a, b).fused, c).fused)
        print(f"three 256 x 256 sources: {seconds:.2f} s CPU")


def atoms_without_ties() -> Array:
    """Overcomplete cosines, slightly disturbed: symmetric atoms of equal correlation would be chosen by rounding."""
    atoms = overcomplete_dct()
    return atoms + 1e-3 * np.random.default_rng(0).standard_normal(atoms.shape)


def timed(run: Callable[[], Array]) -> tuple[float, Array]:
    """CPU seconds of this process, and the result."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def picture(size: int, seed: int) -> Array:
    """A seeded test image: blobs, an edge, fine texture on half of it, black background; 8-bit levels, 0..1."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.standard_normal((size, size)), 6)
    texture = gaussian_filter(rng.standard_normal((size, size)), 0.8)
    x = 0.5 + 2 * blobs + np.where(np.arange(size) < size // 2, 0.15 * texture, 0) + 0.2 * (blobs > 0)
    row, column = np.ogrid[:size, :size]
    inside = (row - size / 2) ** 2 + (column - size / 2) ** 2 < (0.4 * size) ** 2
    levels: Array = np.rint(255 * np.clip(np.where(inside, x, 0), 0, 1)) / 255
    return levels


def straight_fusion(a: Array, b: Array, dictionary: Dictionary) -> Array:
    """Fusion of two greys, step by step."""
    cartoon_a, cartoon_b = straight_guidance(a), straight_guidance(b)
    texture = straight_textures(a - cartoon_a, b - cartoon_b, dictionary)
    fused: Array = texture + choose_energy(cartoon_a, cartoon_b)
    return fused


def straight_guidance(image: Array, sigma_space: float = 3, sigma_range: float = 0.05) -> Array:
    """Three joint bilateral passes whose grids are filled pixel by pixel."""
    near = np.exp(-(np.arange(-1, 2) ** 2) / 2)
    kernel = np.einsum("i,j,k->ijk", near, near, near)
    guide = np.zeros_like(image)
    for _ in range(3):
        low = guide.min()
        shape = [int((n - 1) // sigma_space) + 7 for n in image.shape] + [int((guide.max() - low) // sigma_range) + 7]
        sums, counts = np.zeros(shape), np.zeros(shape)
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                position = row / sigma_space, column / sigma_space, (guide[row, column] - low) / sigma_range
                cell = tuple(int(np.floor(p + 0.5)) + 3 for p in position)
                sums[cell] += image[row, column]
                counts[cell] += 1
        sums, counts = (correlate(grid, kernel, mode="constant") for grid in (sums, counts))
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts != 0)
        rows, columns = np.indices(image.shape) / sigma_space
        points = np.stack([rows, columns, (guide - low) / sigma_range]) + 3
        guide = map_coordinates(means, points, order=1, mode="nearest")
    return guide


def straight_textures(a: Array, b: Array, dictionary: Dictionary, step: int = 2, epsilon: float = 0.01) -> Array:
    """Both layers coded patch by patch, the code of larger L1 norm decoded and averaged."""
    side = dictionary.side
    total, cover = np.zeros_like(a), np.zeros_like(a)
    for row in range(0, a.shape[0] - side + 1, step):
        for column in range(0, a.shape[1] - side + 1, step):
            window = np.s_[row : row + side, column : column + side]
            first, second = (straight_omp(x[window].ravel(order="F"), dictionary, epsilon) for x in (a, b))
            code = second if np.abs(first).sum() < np.abs(second).sum() else first
            total[window] += (dictionary.atoms @ code).reshape(side, side, order="F")
            cover[window] += 1
    return np.where(cover > 0, total / np.maximum(cover, 1), (a + b) / 2)


def straight_omp(signal: Array, dictionary: Dictionary, epsilon: float) -> Array:
    """Batch-OMP of one signal, as in the report CS-2008-08."""
    code = np.zeros(dictionary.atoms.shape[1])
    residual, explained = float(signal @ signal), 0.0
    if residual <= epsilon**2:
        return code
    start = dictionary.atoms.T @ signal
    chosen: list[int] = []
    alpha, factor, c = start, np.zeros((0, 0)), np.zeros(0)
    while residual > epsilon**2 and len(chosen) < len(signal):
        k = int(np.argmax(alpha**2))
        if k in chosen or alpha[k] ** 2 < 1e-14:
            break
        z = np.linalg.solve(factor, dictionary.gram[chosen, k]) if chosen else np.zeros(0)
        if 1 - z @ z <= 1e-14:
            break
        factor = np.block([[factor, np.zeros((len(chosen), 1))], [z[None], np.sqrt(1 - z @ z)[None, None]]])
        chosen.append(k)
        c = np.linalg.solve(factor.T, np.linalg.solve(factor, start[chosen]))
        beta = dictionary.gram[:, chosen] @ c
        alpha = start - beta
        delta = float(c @ beta[chosen])
        residual, explained = residual - delta + explained, delta
    code[chosen] = c
    return code


if __name__ == "__main__":
    main()
