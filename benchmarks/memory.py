"""Memory of each method: what its card states and what a process of its own takes, at three sizes.

    python -m benchmarks memory [--methods cddfuse mean] [--sides 128 256 512] [--volume 64 96 144]
    python -m benchmarks memory --one cddfuse --space 4096 4096 --memory 2GB

Beyond the program: a process of each method fuses a small case, then counts for one size after the other (VmHWM of
Linux after its reset), with one thread, two sources, and a budget that is not reached unless `--memory` is given.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from trifuse.core.image import Image


def main() -> None:
    """Prints a line per method and size: megabytes stated and measured, their ratio, seconds of processor."""
    parser = argparse.ArgumentParser(description="Memory stated and measured.")
    parser.add_argument("--methods", nargs="*", default=None)
    parser.add_argument("--sides", type=int, nargs="*", default=[128, 256, 512])
    parser.add_argument("--volume", type=int, nargs="*", default=[64, 96, 144])
    parser.add_argument("--memory", default="500GB")
    parser.add_argument("--limit", type=int, default=1200, help="seconds of a method")
    parser.add_argument("--one", help="a single method, at --space, in this process")
    parser.add_argument("--space", type=int, nargs="+", action="append")
    given = parser.parse_args()
    if given.one:
        for space in given.space:
            print(json.dumps(measured(given.one, space, given.memory)), flush=True)
        return
    from trifuse import methods

    print("| method | size | MB stated | MB measured | stated / measured | seconds |\n|---|---|---|---|---|---|")
    for name in given.methods or methods.names():
        flat = 2 in methods.get(name).card.dims
        spaces = [[side] * (2 if flat else 3) for side in (given.sides if flat else given.volume)]
        for space, found in zip(spaces, in_process(name, spaces, given.memory, given.limit), strict=False):
            stated, taken = found["stated"] / 1e6, max(found["measured"], 1) / 1e6
            size = " x ".join(map(str, space))
            print(
                f"| {name} | {size} | {stated:.1f} | {taken:.1f} | {stated / taken:.2f} | {found['seconds']:.1f} |",
                flush=True,
            )


def in_process(name: str, spaces: list[list[int]], memory: str, limit: int) -> list[dict[str, float]]:
    """`measured` of each size in one process of the method's own; fewer sizes where it takes too long."""
    sizes = [text for space in spaces for text in ("--space", *map(str, space))]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "memory", "--one", name, "--memory", memory, *sizes]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
    return [json.loads(line) for line in said.splitlines()]


def measured(name: str, space: list[int], memory: str) -> dict[str, float]:
    """Bytes stated and measured beyond the program, and seconds of the processor, for two sources of a size."""
    import torch

    import trifuse
    from trifuse.fusion import memory as planning
    from trifuse.fusion.settings import Run
    from trifuse.methods import get

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    run, method = Run(memory=memory), get(name)()
    small = [min(32, n) for n in space]
    trifuse.fuse([picture(small, 0), picture(small, 1)], method, run=run)
    ctypes.CDLL(None).malloc_trim(0)  # what was let go before must not be taken for free
    before = held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the most from here on
    sources = [picture(space, seed) for seed in (0, 1)]
    plan = planning.plan(method, sources, run)
    start = time.process_time()
    trifuse.fuse(sources, method, run=run)
    return {
        "stated": plan.peak - planning.PROGRAM,
        "measured": held("VmHWM") - before,
        "process": held("VmHWM"),
        "seconds": time.process_time() - start,
        "tile": plan.tiles.side if plan.tiles else 0,
    }


def picture(space: list[int], seed: int) -> Image:
    """Blobs over a black background, with grain, as bytes are; slice by slice, so that making it takes no memory."""

    random = np.random.default_rng(seed)
    pixels = np.empty((1, *space), np.float32)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in space]
    rest = sum(
        axis.reshape([-1 if k == i else 1 for k in range(len(space) - 1)]) ** 2 for i, axis in enumerate(axes[1:])
    )
    for row, x in enumerate(axes[0]):
        head = np.clip(1.2 - np.sqrt(x**2 + rest) - 0.1 * seed, 0, 1)
        grain = random.random(head.shape, dtype=np.float32)
        pixels[0, row] = np.round(255 * np.where(head > 0.3, 0.7 * head + 0.2 * grain, 0)) / 255
    return Image(pixels)


def held(kind: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
