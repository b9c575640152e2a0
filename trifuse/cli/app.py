"""The command line: one file per command, all errors reported in one place.

Exit codes: 0 done, 1 our bug, 2 bad input or usage, 3 finished with failed cases.
"""

from __future__ import annotations

import sys

import typer

app = typer.Typer(
    name="trifuse",
    help="Fuse two, three or more medical images of one patient into one picture, with super-resolution.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs a command; a `TrifuseError` becomes one message on stderr and exit code 2, anything else code 1."""
    from trifuse.errors import TrifuseError

    try:
        app()
    except TrifuseError as error:
        print(f"trifuse: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("trifuse: stopped; nothing was written", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
