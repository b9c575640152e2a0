"""Fusions and measurements in a process of their own: they go on when the page is closed, and can be stopped."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trifuse.core.errors import InputError
from trifuse.engines import one_line_error
from trifuse.engines.local import pool, result_of

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")


@dataclass
class Task:
    """A piece of work.

    Attributes:
        key: its name in addresses.
        kind: "fuse" or "measure".
        title: for people.
        progress: file that its process reports to.
        command: the command line that does the same; empty where there is none.
        state: how far it is.
        error: why it failed.
        images: keys of the images that came of it.
        record: what it recorded.
    """

    key: str
    kind: str
    title: str
    progress: Path
    command: str = ""
    state: State = "waiting"
    error: str = ""
    images: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    future: Future[Any] | None = None

    def told(self) -> dict[str, Any]:
        """What the page gets."""
        running = self.future is not None and self.future.running() and self.state == "waiting"
        return {
            "key": self.key,
            "kind": self.kind,
            "title": self.title,
            "state": "running" if running else self.state,
            "error": self.error,
            "images": self.images,
            "command": self.command,
            "seconds": round(self.seconds or time.time() - self.began, 1),
            "progress": self._reported(),
            "notes": self.record.get("notes", []),
            "scores": self.record.get("scores", {}),
        }

    def _reported(self) -> dict[str, Any] | None:
        try:
            known: dict[str, Any] = json.loads(self.progress.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return known


class Tasks:
    """The tasks of a session, one at a time, in the order in which they were asked for.

    Args:
        most: tasks that may wait or run.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.known: dict[str, Task] = {}
        self._pool: Any = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def busy(self) -> bool:
        """Whether one waits or runs."""
        return any(task.state not in ENDED for task in self.known.values())

    def next_key(self) -> str:
        """A key for the next task.

        Raises:
            InputError: if too many wait.
        """
        if sum(task.state not in ENDED for task in self.known.values()) >= self.most:
            raise InputError(f"{self.most} tasks wait already; let some end, or cancel them")
        return f"t{next(self._numbers)}"

    def start(
        self, task: Task, work: Callable[[Any], dict[str, Any]], asked: Any, adopt: Callable[[Task], None]
    ) -> Task:
        """Queues a task.

        Args:
            work: done in the process, with `asked`; returns a record, with an `error` if it failed.
            adopt: called when it is done, before it counts as done.
        """
        with self._lock:
            self.known[task.key] = task
            task.future = self.schedule(work, asked)
        task.future.add_done_callback(lambda future: self._ended(task, future, adopt))
        return task

    def schedule(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Work for the process without a task."""
        if self._pool is None:
            self._pool = pool(1)
        found: Future[Any] = self._pool.schedule(work, args=arguments)
        return found

    def cancel(self, key: str) -> None:
        """Stops a task, at once if it runs; one that has ended is forgotten.

        Raises:
            InputError: if there is none.
        """
        task = self.known.get(key)
        if task is None:
            raise InputError("there is no such task")
        if task.state in ENDED:
            del self.known[key]
            return
        task.state = "cancelled"
        task.seconds = time.time() - task.began
        if task.future is not None:
            task.future.cancel()

    def close(self) -> None:
        """Stops everything."""
        for key in [key for key, task in self.known.items() if task.state not in ENDED]:
            self.cancel(key)
        self.known.clear()
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def _ended(self, task: Task, future: Future[Any], adopt: Callable[[Task], None]) -> None:
        if task.state == "cancelled":
            return
        task.seconds = time.time() - task.began
        record = result_of(future)
        if isinstance(record, Exception):
            record = {"error": one_line_error(record)}
        task.record = record
        if not record.get("error"):
            try:
                adopt(task)
            except Exception as error:  # a result that cannot be shown must not leave the task running for ever
                record["error"] = one_line_error(error)
        task.error = str(record.get("error", ""))
        task.state = "failed" if task.error else "done"
