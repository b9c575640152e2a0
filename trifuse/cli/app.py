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
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "demo": (
        "Fuse the sample study that ships with trifuse (MR-T1, MR-T2 and FDG-PET of one anatomy); no network needed."
    ),
    "fuse": "Fuse two or more images of one patient into one.",
    "compare": "Fuse the same images by every suitable method: pictures, a contact sheet and a table of metrics.",
    "evaluate": "Measure a fused image against its sources, a ground truth, or both; or a whole folder of them.",
    "bench": "Run methods x cases x scales x metrics, and write tables, plots and a page with the pictures.",
    "methods": "List the fusion methods, or show one with its options; those that other packages add are marked.",
    "metrics": "List the metrics, or explain one: formula, reference, range, variants, pitfalls.",
    "weights": "List the checkpoints that trifuse knows, add your own copy of one, or verify them by their digests.",
    "cite": "Print BibTeX entries of trifuse and of the papers that methods ask to cite.",
    "data": "List the images that recipes want, and where their owners offer them; check those that you have.",
    "doctor": "Say what is installed and what it runs on: versions, devices, folders, extras, checkpoints, disks.",
    "view": "Look at images and fuse them in the browser; nothing leaves this computer.",
    "cohort": "Fuse every case of a list, a folder or a BIDS data set; what is done already is left alone.",
    "prepare": "Turn studies as exported (DICOM or NIfTI) into a data set: one grid, one voxel size, values 0..1.",
    "train": "Train a network on your own images: on a CPU, a GPU, or many of them (started by `torchrun`).",
    "sample": "Draw pictures from an unconditional diffusion model, such as the prior of ddfm and ddfm-palm.",
}
"""Command, which is a file and its function -> first line of its help, in the order in which `--help` lists them.

A new command is a file and a line here. The file is read when the command is called: a start takes a third of the time.
"""


class _Command(TyperCommand):
    """A command that reads its file when it is called; its line in the list is known without."""

    def __init__(self, name: str) -> None:
        super().__init__(name, short_help=COMMANDS[name], help=COMMANDS[name])

    def make_context(self, *arguments: Any, **further: Any) -> Any:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=HELP_NAMES)
        alone.command(self.name)(getattr(import_module(f"trifuse.cli.{self.name}"), str(self.name)))
        return typer.main.get_command(alone).make_context(*arguments, **further)


class _Commands(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": {name: _Command(name) for name in COMMANDS}})


HELP_NAMES = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="trifuse",
    cls=_Commands,
    help="Fuse two, three or more medical images of one patient into one picture, with super-resolution.",
    add_completion=True,
    rich_markup_mode=None,  # plain help: frames and colours take longer than all the rest of a start
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
)


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
    from trifuse.core.errors import visible

    if category.__module__.startswith("trifuse"):
        print(visible(f"note: {message}"), file=sys.stderr)


def main() -> None:
    """Runs a command and ends with its exit code.

    A `TrifuseError` becomes one message on stderr and code 2, Ctrl-C and SIGTERM a word on what is done and codes 130
    and 143. What a plugin, a library or the machine throws becomes one line and code 2 (see `trifuse.cli.border`),
    anything else a traceback and code 1.
    """
    from trifuse.core.errors import ChoiceError, OptionError, Stopped, TrifuseError, visible

    warnings.showwarning = _show_warning
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where its cache lies is not the user's business
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        if "" in sys.argv[1:]:
            raise OptionError("an argument is empty (a variable of the shell that is not set?); give it a value")
        app()
    except TrifuseError as error:
        print(visible(f"trifuse: {error}"), file=sys.stderr)
        if isinstance(error, ChoiceError) and error.table:
            print(visible(error.table), file=sys.stderr)
        sys.exit(2)
    except SystemExit:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # whoever read the answer went away, as `head` does
            sys.exit(128 + 13)
        raise
    except Stopped as stopped:
        print(visible(f"trifuse: {stopped}"), file=sys.stderr)
        sys.exit(stopped.code)
    except Exception as error:
        from trifuse.cli.border import told

        line = told(error)
        if line is None:
            raise
        print(visible(f"trifuse: {line}"), file=sys.stderr)
        sys.exit(2)


def _stop(number: int, _frame: FrameType | None) -> None:
    from trifuse.core.errors import Stopped

    raise Stopped("stopped; nothing was written", 128 + number)


if __name__ == "__main__":
    main()
