"""Work in several processes: results in order, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.jobs import GOOD, NAMES, behave
from trifuse.core.errors import GridError, InputError, WorkerError
from trifuse.engines import Local, each, outcomes

BEATING = """
import sys, time
from pathlib import Path
from trifuse.engines import Local, each

def beat(name):
    for count in range(1200):
        (Path(sys.argv[1]) / name).write_text(str(count))
        time.sleep(0.1)

if __name__ == "__main__":
    each(beat, ["a", "b"], Local(2), "cases")
"""


def square(number: int) -> int:
    return number * number


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert each(square, range(5), Local(2)) == [0, 1, 4, 9, 16]
    assert each(square, range(5), Local(1)) == [0, 1, 4, 9, 16]


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "beating.py"
    script.write_text(BEATING)
    run = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.DEVNULL)
    hearts = [tmp_path / "a", tmp_path / "b"]
    assert _within(60, lambda: all(heart.exists() for heart in hearts))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert _within(30, lambda: _still(hearts))


STOPPED = """
import sys, time
from pathlib import Path
from trifuse.engines import Local, each

def slow(name):
    (Path(sys.argv[1]) / str(name)).write_text("begun")
    time.sleep(30)

if __name__ == "__main__":
    try:
        each(slow, range(8), Local(int(sys.argv[2])), "cases")
    except KeyboardInterrupt as stopped:
        sys.exit(str(stopped))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_of_it_at_once_and_says_how_to_go_on(tmp_path: Path, workers: int) -> None:
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)
    command = [sys.executable, str(script), str(tmp_path), str(workers)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert _within(60, lambda: (tmp_path / "0").exists())
    began = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert time.monotonic() - began < 10  # 2 s on an idle machine
    assert said.strip().endswith("stopped: 0 of 8 cases are done; the same command goes on from there")


def test_a_dead_worker_costs_its_case_one_try_and_no_other_case_anything(tmp_path: Path) -> None:
    found = outcomes(behave, [(name, tmp_path) for name in NAMES], Local(2, memory=2**30))
    came = dict(zip(NAMES, found, strict=True))
    assert [name for name in NAMES if came[name].value == name] == GOOD
    assert isinstance(came["always"].error, WorkerError)
    assert "signal 9" in str(came["always"].error)
    assert isinstance(came["bad"].error, InputError)
    assert str(came["bad"].error) == "study 7: no such file; name another"
    assert isinstance(came["grids"].error, GridError)
    assert str(came["grids"].error) == "the images lie on different grids\nimage  size"
    assert "--memory" in str(came["greedy"].error)


def test_each_raises_the_error_of_a_job_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="study 7"):
        each(behave, [("a", tmp_path), ("bad", tmp_path)], Local(2))


def _still(hearts: list[Path]) -> bool:
    before = [heart.read_text() for heart in hearts]
    time.sleep(2)
    return [heart.read_text() for heart in hearts] == before


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_no_more_workers_than_fit_into_the_memory() -> None:
    assert Local(8).within(2 * 10**9, 9 * 10**9).workers == 4
    assert Local(2).within(10, 10**9).workers == 2
    assert Local(8).within(10**10, 10**9).workers == 1
