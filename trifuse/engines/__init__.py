"""Engines: where the cases of a cohort, a benchmark or a preparation are worked on.

A case is a pure task from files to files, and what came of it is recorded by the task itself, so that an engine may try
it again, lose it, or be killed with it: the truth is on disk.

    for index, outcome in Local(workers=4).run(work, jobs): ...      # in the order in which they end

`outcomes` gathers them in the order of the jobs and reports progress; `each` wants the values and raises the first
error. Ctrl-C ends both within two seconds; the exception that they let through says how far they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from trifuse.core.errors import Stopped, TrifuseError
from trifuse.core.progress import track_done
from trifuse.engines.local import Local

Job = TypeVar("Job")
Result = TypeVar("Result")

__all__ = ["Engine", "Local", "Outcome", "each", "outcomes"]


class Engine(Protocol):
    """Works on jobs somewhere."""

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | Exception]]:
        """Number of each job and what came of it, in the order in which they end.

        A job that raises gives its exception. One whose worker died is tried once more, then gives a `TrifuseError`.
        """
        ...


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of a job.

    Attributes:
        value: what it returned, None if it failed.
        error: what it raised, None if it did not.
    """

    value: Result | None = None
    error: Exception | None = None


def outcomes(
    work: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine, label: str = "cases"
) -> list[Outcome[Result]]:
    """What came of every job, in the order of the jobs, with progress under `label`.

    Raises:
        KeyboardInterrupt: if the user stops it; its text says how many jobs are done.
    """
    found: dict[int, Outcome[Result]] = {}
    try:
        for index, what in track_done(engine.run(work, jobs), len(jobs), label):
            found[index] = Outcome(error=what) if isinstance(what, Exception) else Outcome(value=what)
    except (KeyboardInterrupt, Stopped) as stop:
        stop.args = (f"stopped: {len(found)} of {len(jobs)} {label} are done; the same command goes on from there",)
        raise
    return [found[index] for index in range(len(jobs))]


def each(work: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine, label: str = "cases") -> list[Result]:
    """`[work(job) for job in jobs]` by an engine.

    Raises:
        KeyboardInterrupt: if the user stops it; its text says how many jobs are done.
        Exception: the first error of a job, as it was raised there.
    """
    values: list[Result] = []
    for outcome in outcomes(work, jobs, engine, label):
        if outcome.error is not None:
            raise outcome.error
        values.append(outcome.value)  # type: ignore[arg-type]
    return values


def one_line_error(error: Exception) -> str:
    """What a record or a table says of a failed job: our own messages as they are, others with their type."""
    first = str(error).splitlines()[0] if str(error) else ""
    return first if isinstance(error, TrifuseError) else f"{type(error).__name__}: {first}".rstrip(": ")
