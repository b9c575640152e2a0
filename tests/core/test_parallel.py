"""Work in several processes: results in order, and no process left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trifuse.core.parallel import each

BEATING = """
import sys, time
from pathlib import Path
from trifuse.core.parallel import each

def beat(name):
    for count in range(1200):
        (Path(sys.argv[1]) / name).write_text(str(count))
        time.sleep(0.1)

if __name__ == "__main__":
    each(beat, ["a", "b"], 2, "cases")
"""


def square(number: int) -> int:
    return number * number


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert each(square, range(5), 2, "numbers") == [0, 1, 4, 9, 16]
    assert each(square, range(5), 1, "numbers") == [0, 1, 4, 9, 16]


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "beating.py"
    script.write_text(BEATING)
    run = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.DEVNULL)
    hearts = [tmp_path / "a", tmp_path / "b"]
    assert _within(60, lambda: all(heart.exists() for heart in hearts))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert _within(30, lambda: _still(hearts))


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
