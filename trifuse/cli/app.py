"""The command line: one file per command, all errors reported in one place.

Exit codes: 0 done, 1 our bug, 2 bad input or usage, 3 finished with failed cases.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Annotated

import typer

app = typer.Typer(
    name="trifuse",
    help="Fuse two, three or more medical images of one patient into one picture, with super-resolution.",
    add_completion=False,
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
    """Runs a command; a `TrifuseError` becomes one message on stderr and exit code 2, anything else code 1."""
    from trifuse.core.errors import ChoiceError, TrifuseError

    warnings.showwarning = _show_warning
    try:
        app()
    except TrifuseError as error:
        print(f"trifuse: {error}", file=sys.stderr)
        if isinstance(error, ChoiceError) and error.table:
            print(error.table, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("trifuse: stopped; nothing was written", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
