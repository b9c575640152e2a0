"""Dask: many machines behind one scheduler, that of a cluster's queue or one whose address is given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from trifuse.core.errors import InputError, OptionError, WorkerError
from trifuse.core.extras import need
from trifuse.engines.local import attempt

Job = TypeVar("Job")
Result = TypeVar("Result")

Cluster = Literal["local", "slurm", "pbs", "lsf", "sge"]
"""What starts the workers: this computer, or a cluster's queue."""

CLASSES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}

SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,  # a case whose worker died is tried once more
    "distributed.scheduler.worker-saturation": 1.0,  # one case at a worker: none is blamed for its neighbour's end
    "distributed.worker.memory.target": False,  # cases hold no results that could go to disk
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # a worker over its memory is ended, not left to wait
    "distributed.worker.memory.terminate": 0.95,
    "distributed.comm.timeouts.connect": "30s",
}
"""Dask's defaults keep data in memory and try a case four times; cases here are files to files."""


@dataclass(frozen=True)
class Dask:
    """A Dask scheduler and its workers, each with one case at a time.

    Attributes:
        address: of a scheduler that runs already; None to start one.
        cluster: what starts the workers otherwise.
        workers: how many at most; a queue's workers come and go with the work that is left.
        memory: most memory of a worker, such as "4GiB"; None for Dask's own.
        threads: threads of a case on a worker.
        resources: arguments of dask-jobqueue's cluster, such as queue, walltime, account, cores, memory.
        patience: how long to wait for a scheduler to answer.
        tell: is told where the dashboard is.
    """

    address: str | None = None
    cluster: Cluster = "local"
    workers: int = 2
    memory: str | None = None
    threads: int = 1
    resources: Mapping[str, Any] = field(default_factory=dict)
    patience: str = "30s"
    tell: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        if self.cluster not in get_args(Cluster):
            raise OptionError(f"cluster {self.cluster!r} is not known; choose {', '.join(get_args(Cluster))}")

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | Exception]]:
        """See `trifuse.engines.Engine`.

        Raises:
            ExtraError: if Dask is not installed.
            InputError: if no scheduler answers, or the cluster refuses its resources.
        """
        distributed = _distributed()
        import dask

        with ExitStack() as stack:
            stack.enter_context(dask.config.set(SETTINGS))
            client = stack.enter_context(self._client(distributed, stack))
            self.tell(f"dashboard: {client.dashboard_link}")
            futures = {client.submit(attempt, work, job, pure=False): at for at, job in enumerate(jobs)}
            try:
                for future in distributed.as_completed(list(futures), loop=client.loop):
                    yield futures[future], _result(future)
                    future.release()  # so that a worker that dies later takes no result with it
            finally:
                client.cancel(list(futures), force=True)

    def _client(self, distributed: Any, stack: ExitStack) -> Any:
        try:
            if self.address is not None:
                return distributed.Client(self.address, timeout=self.patience, set_as_default=False)
            return distributed.Client(stack.enter_context(self._cluster(distributed)), set_as_default=False)
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            where = self.address or f"{self.cluster} with {dict(self.resources)}"
            raise InputError(f"Dask: {where}: {error}") from None

    def _cluster(self, distributed: Any) -> Any:
        if self.cluster == "local":
            limit = self.memory or "auto"
            return distributed.LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                memory_limit=limit,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what happens to a case is said in its row
            )
        cluster = queue(self.cluster, self.resources, self.memory, self.threads)
        cluster.adapt(minimum=0, maximum=self.workers)
        return cluster


def queue(cluster: Cluster, resources: Mapping[str, Any], memory: str | None = None, threads: int = 1) -> Any:
    """dask-jobqueue's cluster of a queue, whose `job_script()` is what it submits; nothing is submitted yet.

    Raises:
        ExtraError: if dask-jobqueue is not installed.
    """
    _distributed()
    import dask_jobqueue

    exports = [f"export {name}={threads}" for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")]
    asked = {"cores": threads, "processes": 1, "memory": memory or "4GiB", "walltime": "04:00:00", **resources}
    asked["job_script_prologue"] = [*exports, *asked.get("job_script_prologue", [])]
    return getattr(dask_jobqueue, CLASSES[cluster])(**asked)


def _result(future: Any) -> Any:
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return WorkerError("the worker that had it died twice; was it killed, or over its memory (--memory)?")
    except Exception as error:
        return error


def _distributed() -> Any:
    need("cohort", "Dask (--engine local does without)", "dask_jobqueue", "distributed")
    import distributed

    return distributed
