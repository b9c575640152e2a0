"""Options of the commands that work on many cases: how many at once, and where."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trifuse.cli.common import say
from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.machine import byte_count

if TYPE_CHECKING:
    from trifuse.engines import Engine

OPTIONS: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[Literal["local", "dask"], typer.Option(help="Processes of this computer, or Dask.")],
        "local",
    ),
    "jobs": (
        Annotated[int, typer.Option("--jobs", "-j", "--workers", min=1, help="Cases worked on at once.")],
        1,
    ),
    "memory": (
        Annotated[
            str | None,
            typer.Option(help="Most memory of one worker, such as 8GB; a case that cannot keep to it fails alone."),
        ],
        None,
    ),
    "scheduler": (
        Annotated[str | None, typer.Option(help="Dask: address of a scheduler that runs already.")],
        None,
    ),
    "cluster": (
        Annotated[Literal["local", "slurm", "pbs", "lsf", "sge"], typer.Option(help="Dask: what starts the workers.")],
        "local",
    ),
    "resources": (
        Annotated[
            Path | None,
            typer.Option(help="Dask: YAML of what a worker asks of the cluster (queue, walltime, cores ...)."),
        ],
        None,
    ),
}
"""Option -> its type with help, and its default."""


def takes_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command with a keyword argument `engine` the options of `OPTIONS`, and the engine that they name."""

    def filled(**given: Any) -> None:
        asked = {name: given.pop(name) for name in OPTIONS}
        command(**given, engine=engine_of(**asked))

    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())
    at = next(index for index, each in enumerate(own) if each.name == "engine")
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in OPTIONS.items()
    ]
    parameters = [*own[:at], *added, *own[at + 1 :]]
    filled.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    filled.__annotations__ = {each.name: each.annotation for each in parameters}
    filled.__name__, filled.__doc__, filled.__module__ = command.__name__, command.__doc__, command.__module__
    return filled


def engine_of(
    engine: str, jobs: int, memory: str | None, scheduler: str | None, cluster: str, resources: Path | None
) -> Engine:
    """The engine that the options name.

    Raises:
        OptionError: if options of Dask are given without it, or Dask is not installed.
        InputError: if the resources cannot be read.
    """
    from trifuse.engines import Local

    if engine == "local":
        if scheduler is not None or cluster != "local" or resources is not None:
            raise OptionError("--scheduler, --cluster and --resources are for --engine dask")
        return Local(workers=jobs, memory=None if memory is None else byte_count(memory))
    from trifuse.engines.dask import Dask

    if memory is not None:
        byte_count(memory)
    asked = _mapping(resources) if resources is not None else {}
    return Dask(scheduler, cluster, jobs, memory, resources=asked, tell=say)  # type: ignore[arg-type]


def memory_of(engine: Engine) -> str | None:
    """Most memory of one of its workers, as the setting of a run; None where there is no limit."""
    given = getattr(engine, "memory", None)
    return None if given is None else str(given)


def _mapping(path: Path) -> dict[str, object]:
    from trifuse.core.files import read_yaml

    content = read_yaml(path, "resources")
    if not isinstance(content, dict):
        raise InputError(f"{one_line(path)}: resources are a mapping, such as queue: long and walltime: 08:00:00")
    return {str(name): value for name, value in content.items()}
