"""Dask: the same answers as processes of one's own, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines.jobs import GOOD, NAMES, behave, nap
from trifuse.core.errors import GridError, InputError, WorkerError
from trifuse.engines import outcomes
from trifuse.engines.dask import Dask

ROOT = Path(__file__).parents[2]


def test_a_dead_worker_costs_its_case_one_try_and_one_over_its_memory_fails_alone(tmp_path: Path) -> None:
    found = outcomes(behave, [(name, tmp_path) for name in NAMES], Dask(workers=2, memory="1GiB"))
    came = dict(zip(NAMES, found, strict=True))
    assert [name for name in NAMES if came[name].value == name] == GOOD
    assert isinstance(came["always"].error, WorkerError)
    assert isinstance(came["greedy"].error, WorkerError)
    assert "--memory" in str(came["greedy"].error)
    assert isinstance(came["bad"].error, InputError)
    assert str(came["bad"].error) == "study 7: no such file; name another"
    assert isinstance(came["grids"].error, GridError)


def test_workers_that_somebody_else_started_and_one_of_them_killed(tmp_path: Path) -> None:
    with scheduler_and_workers(tmp_path) as (address, workers):
        names = [f"n{number}" for number in range(12)]
        killer = subprocess.Popen([sys.executable, "-c", KILLER, str(tmp_path), *(str(w.pid) for w in workers)])
        found = outcomes(nap, [(name, tmp_path) for name in names], Dask(address))
        killer.wait(30)
        assert [outcome.value for outcome in found] == names
        assert sum(worker.poll() is None for worker in workers) == 1


def test_no_scheduler_at_the_address() -> None:
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9: "):
        outcomes(nap, [("a", Path())], Dask("tcp://127.0.0.1:9", patience="1s"))


KILLER = """
import os, signal, sys, time
from pathlib import Path
folder, pids = Path(sys.argv[1]), {int(p) for p in sys.argv[2:]}
while not (at_work := [int(p.read_text() or 0) for p in folder.glob("*.pid")]) or not pids & set(at_work):
    time.sleep(0.02)
os.kill((pids & set(at_work)).pop(), signal.SIGKILL)
"""
"""Kills the first worker that has begun a job, in the middle of it."""


@contextmanager
def scheduler_and_workers(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers as processes of their own on loopback, as on a cluster."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "false"}
    where = folder / "scheduler.json"

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    started = [
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", f"{where}")
    ]
    try:
        end = time.monotonic() + 60
        while not where.exists() and time.monotonic() < end:
            time.sleep(0.1)
        worker = ("worker", "--scheduler-file", f"{where}", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        started += [start(*worker, "--local-directory", f"{folder / str(number)}") for number in (1, 2)]
        yield json.loads(where.read_text())["address"], started[1:]
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()
