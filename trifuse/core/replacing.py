"""Which files may be replaced: those of the same run, and others only where the user says so.

A command that writes into a folder claims it first: a small hidden file there says whose results the folder holds, so
that the same command goes on in it and another one does not write over them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trifuse.core.drafts import sweep
from trifuse.core.errors import InputError, one_line
from trifuse.core.files import write_text
from trifuse.core.version import __version__

MARK = ".trifuse.json"
"""The file in a folder of results that says of which run they are."""

WAY = "add --overwrite (overwrite=True in Python)"


def check_absent(outputs: Iterable[Path]) -> None:
    """Refuses to write where something is.

    Raises:
        InputError: naming the first file that is there.
    """
    for path in outputs:
        if _is_there(path):
            raise InputError(
                f"{one_line(path)}: is there already, and not of this same run; {WAY} to replace it, or choose "
                "another name"
            )


def check_claim(folder: Path, command: str, of: str, outputs: Iterable[Path]) -> None:
    """Raises what `claim` would raise of a folder without `overwrite`.

    Raises:
        InputError: if it holds the results of another run, or files of that name that are of none.
    """
    known = _known(folder)
    if known is None:
        check_absent(outputs)
    elif known != (command, of):
        whose = f"trifuse {known[0]}" + (f" ({known[1]})" if known[1] != of and known[0] == command else "")
        raise InputError(
            f"{one_line(folder)}: holds the results of another run, {one_line(whose)}; choose another folder, or {WAY} "
            "to write over them"
        )


def claim(folder: Path, command: str, of: str, outputs: Iterable[Path], *, overwrite: bool = False) -> None:
    """Makes a folder that of a run, or goes on in it; what killed processes left half-written there is removed.

    Args:
        folder: made if it is not there.
        command: which writes into it.
        of: what tells its runs apart, such as a recipe's name; "" where the command goes on with whatever it did there.
        outputs: what the command writes there.
        overwrite: whether it may replace files that are not its own, and the results of another run.

    Raises:
        InputError: as `check_claim`, or if the folder cannot be written to.
    """
    if not overwrite:
        check_claim(folder, command, of, outputs)
    sweep(folder, below=True)
    if _known(folder) != (command, of):
        write_text(folder / MARK, json.dumps({"trifuse": __version__, "command": command, "of": of}, indent=1) + "\n")


def _known(folder: Path) -> tuple[str, str] | None:
    """Command and what tells its runs apart, of the run that a folder is of; None if it is of none."""
    try:
        told: Any = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return str(told["command"]), str(told["of"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_there(path: Path) -> bool:
    try:
        return path.is_symlink() or path.exists()
    except (OSError, ValueError):
        return False  # writing says what is wrong with the name
