"""Commands as their console script runs them, in this process: to start one takes seconds."""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple
from unittest.mock import patch

from trifuse.cli.app import main


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    stdout: str
    stderr: str
    code: int


def called(*arguments: object) -> Done:
    """Runs a command, however it ends."""
    out, err, code = StringIO(), StringIO(), 0
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(),
        patch.object(sys, "argv", ["trifuse", *map(str, arguments)]),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(out.getvalue(), err.getvalue(), code)


def trifuse(*arguments: object, code: int = 0) -> Done:
    """Runs a command and checks its exit code."""
    done = called(*arguments)
    assert done.code == code, done.stderr + done.stdout
    return done
