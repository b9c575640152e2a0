"""Work on many cases in processes of one thread each, with progress."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

from trifuse.core.progress import track

Job = TypeVar("Job")
Result = TypeVar("Result")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def each(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, label: str) -> list[Result]:
    """`[work(job) for job in jobs]`, in `workers` fresh processes if more than one."""
    if workers <= 1 or len(jobs) <= 1:
        return [work(job) for job in track(jobs, label)]
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        spawn = get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn, initializer=_end_with_parent) as pool:
            futures = [pool.submit(work, job) for job in jobs]
            finished = as_completed(futures)
            for _ in track(futures, label):
                next(finished).result()
            return [future.result() for future in futures]
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """Lets this worker end as soon as the process that started it is gone, however that ended."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
