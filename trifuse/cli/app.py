"""The command line: one file per command, all errors reported in one place.

Exit codes: 0 done, 1 our bug, 2 bad input or usage, 3 finished with failed cases, 130 stopped by Ctrl-C, 143 by
SIGTERM.
"""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from importlib import import_module
from types import FrameType
from typing import Annotated

import typer

app = typer.Typer(
    name="trifuse",
    help="Fuse two, three or more medical images of one patient into one picture, with super-resolution.",
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


COMMANDS = {
    "demo": "demo:demo",
    "fuse": "fuse:fuse",
    "compare": "compare:compare",
    "evaluate": "evaluate:evaluate",
    "bench": "bench:bench",
    "methods": "methods:methods",
    "metrics": "metrics:metrics",
    "weights": "weights:weights",
    "cohort": "cohort:cohort",
    "prepare": "prepare:prepare",
    "train": "train:train",
    "sample": "sample:sample",
}
"""Command -> file and function, in the order in which `--help` lists them. A new command is a file and a line."""


def _build() -> None:
    for name, home in COMMANDS.items():
        module, _, function = home.partition(":")
        app.command(name)(getattr(import_module(f"trifuse.cli.{module}"), function))


_build()


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from trifuse.core.version import __version__

        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Our own warnings are notes to the user; those of libraries are not his business."""
    if category.__module__.startswith("trifuse"):
        print(f"note: {message}", file=sys.stderr)


def main() -> None:
    """Runs a command and ends with its exit code.

    A `TrifuseError` becomes one message on stderr and code 2, Ctrl-C and SIGTERM a word on what is done and codes 130
    and 143, anything else a traceback and code 1.
    """
    from trifuse.core.errors import ChoiceError, Stopped, TrifuseError

    warnings.showwarning = _show_warning
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where its cache lies is not the user's business
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
    except TrifuseError as error:
        print(f"trifuse: {error}", file=sys.stderr)
        if isinstance(error, ChoiceError) and error.table:
            print(error.table, file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(f"trifuse: {stopped}", file=sys.stderr)
        sys.exit(stopped.code)


def _stop(number: int, _frame: FrameType | None) -> None:
    from trifuse.core.errors import Stopped

    raise Stopped("stopped; nothing was written", 128 + number)


if __name__ == "__main__":
    main()
