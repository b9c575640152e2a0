"""Jobs that behave badly, for any engine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from trifuse.core.errors import GridError, InputError

NAMES = ["a", "once", "b", "always", "c", "bad", "d", "grids", "greedy", "e"]
GOOD = ["a", "once", "b", "c", "d", "e"]


def behave(job: tuple[str, Path]) -> str:
    """Returns its name; the first try at "once" and every try at "always" kill their own process."""
    name, folder = job
    mark = folder / name
    if name == "always" or (name == "once" and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "greedy":
        held = b"1" * 2**31
        time.sleep(20)
        del held
    if name == "bad":
        raise InputError("study 7: no such file; name another")
    if name == "grids":
        raise GridError("the images lie on different grids", "image  size")
    return name


def nap(job: tuple[str, Path]) -> str:
    """Leaves the number of its process, sleeps for a moment and returns its name."""
    name, folder = job
    (folder / f"{name}.pid").write_text(str(os.getpid()))
    time.sleep(0.3)
    return name
