"""What becomes of a file: each is read in a process of its own, with little memory and little time."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trifuse.core.errors import TrifuseError

MEMORY = 2**30
"""Bytes that a process may hold while it reads, beyond what it held before."""

RESERVED = 6 * 2**30
"""Bytes that it may ask the system for: a length in a header is reserved, and never touched if the file ends before."""

SECONDS = 5
"""Of processor time."""


@dataclass(frozen=True)
class Outcome:
    """What came of a file.

    Attributes:
        kind: "result", "refused" (one clear line), or "finding".
        what: of a finding what it is, and where; it tells findings apart.
        seconds: of processor time.
    """

    kind: str
    what: str = ""
    seconds: float = 0.0


def judged(read: Callable[[Path], object], path: Path) -> Outcome:
    """Reads a file in a forked process."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _limit()
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        told = _tried(lambda: read(path))
        os.write(sending, json.dumps(told).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as answer:
        said = answer.read()
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        slow = number in (signal.SIGXCPU, signal.SIGKILL)
        return Outcome("finding", f"over {SECONDS} s" if slow else f"signal {signal.Signals(number).name}", seconds)
    if os.WEXITSTATUS(status) or not said:
        return Outcome("finding", f"the process ended with code {os.WEXITSTATUS(status)}", seconds)
    kind, what = json.loads(said)
    return Outcome(kind, what, seconds)


def judged_in_turn(cases: Iterable[Callable[[], object]]) -> Iterator[Outcome]:
    """What came of cases that one forked process works on; fewer than there are, if one of them ended it."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _limit()
        for case in cases:
            before = time.process_time()
            resource.setrlimit(resource.RLIMIT_CPU, (int(before) + SECONDS + 1, resource.RLIM_INFINITY))
            kind, what = _tried(case)
            told = json.dumps([kind, what, time.process_time() - before])
            os.write(sending, told.encode() + b"\n")
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, encoding="utf-8") as answers:
        for line in answers:
            yield Outcome(*json.loads(line))
    os.waitpid(child, 0)


def _limit() -> None:
    with open("/proc/self/statm", encoding="ascii") as pages:
        held = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + RESERVED, held + RESERVED))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _peak() -> int:
    """Most bytes that this process held since `_forget_peak`."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _tried(case: Callable[[], object]) -> tuple[str, str]:
    _forget_peak()
    before = _peak()
    kind, what = _ended(case)
    if kind != "finding" and _peak() - before > MEMORY:
        return "finding", f"held more than {MEMORY >> 20} MiB"
    return kind, what


def _ended(case: Callable[[], object]) -> tuple[str, str]:
    try:
        case()
    except TrifuseError as error:
        if "not enough memory" in str(error):
            return "finding", f"over {RESERVED >> 30} GiB: {_place(error)}"
        if len(str(error).splitlines()) != 1 or not str(error).replace("\n", "").isprintable():
            return "finding", f"no clear line: {_place(error)}"
        return "refused", ""
    except MemoryError as error:
        return "finding", f"over {RESERVED >> 30} GiB: {_place(error)}"
    except BaseException as error:
        return "finding", f"{type(error).__name__}: {_place(error)}"
    return "result", ""


def _place(error: BaseException) -> str:
    """Where in our own code it was raised, or passed last."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/trifuse/" in f.filename]
    return f"{frames[-1].filename.rpartition('/trifuse/')[2]}:{frames[-1].name}" if frames else "outside"
