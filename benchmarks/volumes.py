"""A volume through 2D methods: seconds on one worker and on several, side by side, with equal results.

    python -m benchmarks volumes [--methods bitonicx laplacian] [--slices 16] [--workers 1 2] [--rounds 3]

Runs of all numbers of workers alternate, and the best of each counts. Times are those of the clock on the wall, so the
machine must have nothing else to do: its load before the first run is printed, and figures under a load are worthless.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from numpy.typing import NDArray

import trifuse
from trifuse import Image, samples


def main() -> None:
    """Prints a line per method: seconds for each number of workers, and how many times faster than with the first."""
    parser = argparse.ArgumentParser(description="Workers' speed-up on the bundled volume.")
    parser.add_argument("--methods", nargs="+", default=["bitonicx", "laplacian", "guided-filter"])
    parser.add_argument("--slices", type=int, default=16, help="axial slices from the middle of the volume")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    volumes = [middle(Image.of(path), arguments.slices) for path in samples.study(dims=3).values()]
    size = " x ".join(map(str, volumes[0].space))
    print(
        f"{len(volumes)} volumes of {size}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first run"
    )
    for method in arguments.methods:
        best = fastest(volumes, method, arguments.workers, arguments.rounds)
        base = best[arguments.workers[0]]
        columns = [f"workers={workers} {seconds:.2f} s ({base / seconds:.2f})" for workers, seconds in best.items()]
        print(f"{method}: " + ", ".join(columns), flush=True)


def fastest(volumes: list[Image], method: str, workers: list[int], rounds: int) -> dict[int, float]:
    """Seconds of the best of `rounds` runs for each number of workers, after one run that warms up.

    Raises:
        AssertionError: if the results differ in a bit.
    """
    expected = run(volumes, method, workers[0])[1]
    best = dict.fromkeys(workers, float("inf"))
    for _ in range(rounds):
        for count in workers:
            seconds, pixels = run(volumes, method, count)
            assert np.array_equal(pixels, expected), f"{method}: {count} workers give another result"
            best[count] = min(best[count], seconds)
    return best


def run(volumes: list[Image], method: str, workers: int) -> tuple[float, NDArray[np.float32]]:
    """Seconds of one fusion, and its pixels."""
    start = time.perf_counter()
    pixels = trifuse.fuse(volumes, method, workers=workers).image.pixels
    return time.perf_counter() - start, pixels


def middle(image: Image, slices: int) -> Image:
    """The middle axial slices."""
    start = max(0, (image.space[2] - slices) // 2)
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [0, 0, start, 1])[:3]
    part = np.ascontiguousarray(image.pixels[..., start : start + slices])
    return Image(part, affine=affine, modality=image.modality, origin=image.origin)


if __name__ == "__main__":
    main()
