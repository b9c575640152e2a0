"""Cold starts as multiples of a bare interpreter's, in CPU seconds, which other work on the machine disturbs least.

Each command in a fresh process from nothing to its help or list, and the first and second `fuse` of an installation:
the first compiles the filters of the default method.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from trifuse import samples
from trifuse.cli.app import COMMANDS

RUNS = 5


class Seconds(NamedTuple):
    """What processes took."""

    cpu: float
    wall: float


def seconds(*arguments: str, environment: Mapping[str, str] | None = None) -> Seconds:
    """What a fresh interpreter takes once."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    settings = {**os.environ, **(environment or {})}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=settings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(cpu, time.perf_counter() - clock)


def least(*arguments: str) -> Seconds:
    """The least of `RUNS` runs, after one that warms up."""
    runs = [seconds(*arguments) for _ in range(RUNS + 1)][1:]
    return Seconds(min(run.cpu for run in runs), min(run.wall for run in runs))


def fuses() -> dict[str, Seconds]:
    """The first `fuse` with nothing compiled, and the one after it."""
    pair = [str(path) for path in list(samples.study(dims=2).values())[:2]]
    with tempfile.TemporaryDirectory() as folder:
        kept = {"NUMBA_CACHE_DIR": str(Path(folder) / "compiled")}
        words = ("-m", "trifuse", "fuse", *pair)
        return {
            f"fuse, {turn}": seconds(*words, "-o", str(Path(folder) / f"{turn}.png"), environment=kept)
            for turn in ("first", "second")
        }


def main() -> None:
    """Prints each cold start in CPU and wall seconds, and its ratio to a bare interpreter's CPU seconds."""
    bare = least("-c", "")
    print(f"{'command':<24}{'CPU s':>8}{'wall s':>8}{'x bare python':>15}")
    commands = (["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["methods"])
    taken = {" ".join(words): least("-m", "trifuse", *words) for words in commands} | fuses()
    for name, used in {"bare python": bare, **taken}.items():
        print(f"{name:<24}{used.cpu:>8.3f}{used.wall:>8.3f}{used.cpu / bare.cpu:>15.1f}")
