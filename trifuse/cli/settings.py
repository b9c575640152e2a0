"""Options of the command line from the fields of `Run`, each of which is written down there alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from trifuse.fusion.settings import SETTINGS, TYPES, Run, Setting


def takes_run(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command with a keyword argument `run` an option for each field of `Run`, and the `Run` made of them.

    Args:
        without: fields that the command has no use for.
    """
    names = [name for name, known in SETTINGS.items() if name not in without and not known.in_calls_alone]

    def derived(command: Callable[..., None]) -> Callable[..., None]:
        def filled(**given: Any) -> None:
            values = {name: _value(SETTINGS[name], given.pop(name)) for name in names}
            command(**given, run=Run(**values))

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "run"]
        at = list(signature.parameters).index("run")
        parameters = [*own[:at], *(_parameter(name) for name in names), *own[at:]]
        filled.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        )
        filled.__annotations__ = {each.name: each.annotation for each in parameters}
        filled.__name__, filled.__doc__, filled.__module__ = command.__name__, command.__doc__, command.__module__
        return filled

    return derived


def _parameter(name: str) -> inspect.Parameter:
    known, default = SETTINGS[name], getattr(Run(), name)
    kind: Any = TYPES[name]
    if known.parse is not None:
        kind, default = list[str] | None, None
    elif known.from_one:
        default += 1
    least, most = (None if bound is None else bound + known.from_one for bound in (known.at_least, known.at_most))
    counted = ", counted from 1" if known.from_one else ""
    option = typer.Option(*known.flags, help=f"{known.help}{counted}.", metavar=known.metavar, min=least, max=most)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _value(known: Setting, given: Any) -> Any:
    if known.parse is not None:
        return known.parse(given or [])
    return given - 1 if known.from_one else given
