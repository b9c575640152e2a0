"""The processes of this computer: a worker that dies is replaced, and takes no other case with it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

from trifuse.core.errors import WorkerError

Job = TypeVar("Job")
Result = TypeVar("Result")

TRIES = 2
"""How often a case is begun whose worker died: another program may have been the reason."""

OVER_MEMORY = 86
"""Exit code of a worker that took more memory than it may; its case would do so again."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Local:
    """Processes on this computer.

    Attributes:
        workers: cases worked on at once, one process each; with one, they are worked on in this process, which then
            neither survives a case that kills it nor limits its memory.
        memory: most bytes that a process may hold; None for no limit.
        threads: threads of each process.
    """

    workers: int = 1
    memory: int | None = None
    threads: int = 1

    def within(self, peak: int, total: int) -> Local:
        """With no more workers than fit into `total` bytes where each takes `peak`; at least one."""
        return replace(self, workers=max(1, min(self.workers, total // max(1, peak))))

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | Exception]]:
        """See `trifuse.engines.Engine`."""
        if self.workers <= 1 and self.memory is None:
            for index, job in enumerate(jobs):
                yield index, attempt(work, job)
            return
        yield from self._in_processes(work, jobs)

    def _in_processes(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result | Exception]]:
        count = max(1, min(self.workers, len(jobs)))
        waiting = [(index, TRIES) for index in reversed(range(len(jobs)))]
        running: dict[Future[Any], tuple[int, int]] = {}
        with _threads(self.threads):
            pool = self._pool(count)
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * count:  # one at work and one at hand for each worker
                        try:
                            future = pool.schedule(attempt, args=(work, jobs[waiting[-1][0]]))
                        except RuntimeError:  # a worker died in such a way that the whole pool is lost
                            waiting += running.values()
                            running.clear()
                            pool.stop()
                            pool = self._pool(count)
                            continue
                        running[future] = waiting.pop()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        index, tries = running.pop(future)
                        result = result_of(future)
                        if isinstance(result, WorkerError) and result.again and tries > 1:
                            waiting.append((index, tries - 1))
                        else:
                            yield index, result
            finally:
                pool.stop()
                pool.join()

    def _pool(self, count: int) -> Any:
        return pool(count, self.memory)


def pool(count: int, memory: int | None = None) -> Any:
    """A pebble pool of `count` new processes, which end with this one, and each by itself when it holds over `memory`.

    Its `schedule(function, args=...)` gives a future whose `cancel()` ends the process at work.
    """
    from pebble import ProcessPool

    return ProcessPool(max_workers=count, context=get_context("spawn"), initializer=_begin, initargs=(memory,))


def attempt(work: Callable[[Job], Result], job: Job) -> Result | Exception:
    """What a job returns or raises; our own errors travel as they are."""
    try:
        return work(job)
    except Exception as error:
        return error


def result_of(future: Future[Any]) -> Any:
    """What a job of a pool returned, or an error that says how it ended."""
    from pebble import ProcessExpired

    try:
        return future.result()
    except ProcessExpired as gone:
        if gone.exitcode == OVER_MEMORY:
            text = "took more memory than a worker may; give it more (--memory), or fewer workers"
            return WorkerError(text, again=False)
        how = f"signal {-gone.exitcode}" if gone.exitcode < 0 else f"exit code {gone.exitcode}"
        return WorkerError(f"the process that worked on it ended ({how}); was it killed, or did memory run out?")
    except CancelledError:
        return WorkerError("was lost with the pool of processes that it waited in")
    except Exception as error:
        return error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Processes started inside use so many threads each."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin(memory: int | None) -> None:
    """In a new worker: Ctrl-C is its parent's business, and it ends with its parent or when it takes too much."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if memory is not None:
        threading.Thread(target=_end_over, args=(memory,), daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _end_over(memory: int, every: float = 0.2) -> None:
    """Ends this process as soon as it holds more than it may, where the system says how much that is."""
    while (held := _held()) is not None and held <= memory:
        time.sleep(every)
    if held is not None:
        os._exit(OVER_MEMORY)


def _held() -> int | None:
    """Bytes of memory that this process holds; on systems without /proc the most it ever held.

    Linux's own record of the most is of no use here: a new process inherits its parent's.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:
            return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
