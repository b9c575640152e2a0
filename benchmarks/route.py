"""The time of each stage of the route: read, align, fuse, write, measure, on the bundled sample study."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import trifuse
from trifuse import samples

METHODS = ("mean", "laplacian", "bitonicx")


def main() -> None:
    """Prints milliseconds per stage for the 2D study (bitonicx, laplacian, mean), the second of two runs each."""
    paths = list(samples.study(dims=2).values())
    print(f"{'method':<12}{'read':>9}{'align':>9}{'fuse':>9}{'write':>9}{'measure':>9}  (ms)")
    with tempfile.TemporaryDirectory() as folder:
        for name in METHODS:
            for _ in range(2):
                fused = trifuse.fuse(paths, name, colour="luma")
                clock = time.perf_counter()
                fused.save(Path(folder) / "fused.png")
                write = time.perf_counter() - clock
                clock = time.perf_counter()
                trifuse.evaluate(fused, sources=paths)
                measure = time.perf_counter() - clock
            stages = [*fused.provenance["seconds"].values(), write, measure]
            print(f"{name:<12}" + "".join(f"{1000 * stage:>9.1f}" for stage in stages))
