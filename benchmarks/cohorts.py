"""Cohorts under attack: workers and parents killed at random moments, and how busy two workers are kept.

    python -m benchmarks cohorts kills [--cases 60] [--times 3] [--engine local dask]
    python -m benchmarks cohorts resume [--cases 500] [--kills 2]
    python -m benchmarks cohorts rate [--cases 1000] [--seconds 1]

`kills`: cases fused by two processes, one of them killed (SIGKILL) at a random moment; then all results are compared,
byte by byte, with those of an undisturbed run. `resume`: the command itself and all its processes are killed and the
same command is run again. `rate`: naps on two workers, beside the time that two workers would need at the least.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from trifuse.engines import Engine, Local, outcomes
from trifuse.engines.dask import Dask

SIDE = 64


def main() -> None:
    """Prints one line for each attack."""
    parser = argparse.ArgumentParser("benchmarks cohorts", description=__doc__)
    parser.add_argument("what", choices=["kills", "resume", "rate"])
    parser.add_argument("--cases", type=int)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--engine", nargs="+", choices=["local", "dask"], default=["local", "dask"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed)
    if given.what == "rate":
        for engine in given.engine:
            rate(engine, given.cases or 1000, given.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        table = studies(Path(folder), given.cases or (60 if given.what == "kills" else 500))
        calm = Path(folder) / "calm"
        clock = time.monotonic()
        subprocess.run(command(table, calm, "local"), check=True, capture_output=True)
        lasts = time.monotonic() - clock
        print(f"undisturbed: {len(results(calm))} cases in {lasts:.1f} s", flush=True)
        for engine in given.engine:
            if given.what == "kills":
                for attempt in range(given.times):
                    kill_a_worker(table, calm, Path(folder) / f"{engine}{attempt}", engine)
            else:
                kill_the_parent(table, calm, Path(folder) / engine, engine, given.kills)


def studies(folder: Path, count: int) -> Path:
    """A table of so many cases of two small pictures."""
    rows = ["case,t1,pet"]
    for number in range(count):
        names = [f"p{number}_{kind}.png" for kind in ("t1", "pet")]
        for seed, name in enumerate(names):
            noise = np.random.default_rng(2 * number + seed).integers(0, 255, (SIDE, SIDE), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name)
        rows.append(",".join([f"p{number}", *names]))
    table = folder / "cases.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def command(table: Path, out: Path, engine: str) -> list[str]:
    """The cohort's command with two workers."""
    words = ["cohort", str(table), "-o", str(out), "-m", "bitonicx", "--colour", "luma", "--no-sheet"]
    return [sys.executable, "-m", "trifuse.cli.app", *words, "--engine", engine, "-j", "2", "--json"]


def kill_a_worker(table: Path, calm: Path, out: Path, engine: str) -> None:
    """Kills one worker at a random moment of a run, and says what came of the run."""
    clock = time.monotonic()
    run = subprocess.Popen(command(table, out, engine), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    moment = random.randrange(2, len(results(calm)) * 3 // 4)
    while len(results(out)) < moment and run.poll() is None:
        time.sleep(0.05)
    killed = next(iter(random.sample(workers := list(_workers(run.pid)), min(1, len(workers)))), None)
    before = len(results(out))
    if killed is not None:
        killed.kill()
    answer, _ = run.communicate()
    failed = json.loads(answer)["failed"]
    print(
        f"{engine}: worker {'killed' if killed else 'NOT killed, the run was over'} after {before} cases; "
        f"{len(results(out))} of {len(results(calm))} done, {len(failed)} failed, "
        f"{_same(calm, out)} with the same bytes, {time.monotonic() - clock:.1f} s",
        flush=True,
    )


def kill_the_parent(table: Path, calm: Path, out: Path, engine: str, kills: int) -> None:
    """Kills the command at random moments, runs it again until it ends, and says what was lost or done twice."""
    stamps: dict[str, int] = {}
    twice, lines = 0, []
    for attempt in range(kills + 1):
        run = subprocess.Popen(command(table, out, engine), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        goal = (attempt + 1) * len(results(calm)) // (kills + 1) - random.randrange(20)
        while attempt < kills and len(results(out)) < goal:
            time.sleep(0.02)
        if attempt < kills:
            run.send_signal(signal.SIGKILL)
            _wait_for_orphans(out)
        run.communicate()
        found = {path.parent.name: path.stat().st_mtime_ns for path in results(out)}
        twice += sum(found.get(name) != stamp for name, stamp in stamps.items())
        stamps = {name: stamp for name, stamp in found.items() if _recorded(out, name)}
        lines.append(f"{len(found)}")
    print(
        f"{engine}: {' -> '.join(lines)} cases; done twice: {twice}; {_same(calm, out)} with the same bytes", flush=True
    )


def rate(engine: str, cases: int, seconds: float) -> None:
    """How near naps on two workers come to the time that they need at the least."""
    two: Engine = Local(2) if engine == "local" else Dask(workers=2)
    outcomes(nap, [0.0] * 4, two)
    clock = time.monotonic()
    outcomes(nap, [seconds] * cases, two)
    taken, ideal = time.monotonic() - clock, cases * seconds / 2
    print(f"{engine}: {cases} cases of {seconds:g} s on two workers: {taken:.1f} s, {ideal / taken:.1%} of the ideal")


def nap(seconds: float) -> int:
    """Sleeps, and says where."""
    time.sleep(seconds)
    return os.getpid()


def results(out: Path) -> list[Path]:
    """The fused pictures of a cohort."""
    return sorted(out.glob("*/fused.png"))


def _same(calm: Path, out: Path) -> int:
    return sum(path.read_bytes() == (out / path.relative_to(calm)).read_bytes() for path in results(calm))


def _recorded(out: Path, case: str) -> bool:
    return any(path.name.startswith(f"{case}-") for path in (out / "records").glob("*.json"))


def _workers(parent: int) -> Iterator[psutil.Process]:
    """Processes below it that load the package, and not those that only keep watch."""
    for process in psutil.Process(parent).children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            if "spawn_main" in words and process.memory_info().rss > 60 * 2**20:
                yield process
        except psutil.Error:
            continue


def _wait_for_orphans(out: Path, longest: float = 30) -> None:
    """Until nothing more is written: workers end with their parent."""
    end, before = time.monotonic() + longest, -1
    while time.monotonic() < end and len(results(out)) != before:
        before = len(results(out))
        time.sleep(1.5)


if __name__ == "__main__":
    main()
