"""Cold start of each command: a fresh process from nothing to the printed help, and to a bare answer."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from trifuse.cli.app import COMMANDS

RUNS = 5


def seconds(*arguments: str) -> float:
    """Median wall seconds of a fresh `trifuse` process over `RUNS` runs, after one warm-up."""
    command = [sys.executable, "-m", "trifuse.cli.app", *arguments]
    times = []
    for _ in range(RUNS + 1):
        clock = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - clock)
    return median(times[1:])


def main() -> None:
    """Prints each command's cold start, and its ratio to a bare interpreter."""
    clock = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    bare = time.perf_counter() - clock
    print(f"{'command':<24}{'seconds':>9}{'x bare python':>15}")
    for arguments in (["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["methods"]):
        taken = seconds(*arguments)
        print(f"{' '.join(arguments):<24}{taken:>9.3f}{taken / bare:>15.1f}")
