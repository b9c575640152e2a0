"""The border of the command line: what a plugin, a library or the machine throws becomes one line; our bugs do not.

Whose fault an exception is, its traceback tells: the innermost frame that is ours or a plugin's.
"""

from __future__ import annotations

import errno
import os
import traceback
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType

from trifuse.core.errors import brief

GROUPS = ("trifuse.methods", "trifuse.metrics", "trifuse.upsamplers", "trifuse.formats")

FOREIGN_DATA = ("trifuse.io", "trifuse.weights", "trifuse.core.rows", "trifuse.core.files")
"""Where libraries are given what others made: an exception of theirs below one of these speaks of that."""

VARIABLE = "TRIFUSE_TRACEBACK"

_MACHINE = {
    errno.ENOSPC: "no space is left on the device; make room, or choose another place",
    errno.EDQUOT: "the disk quota is used up; make room, or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "permission denied; check the access rights",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
}


def told(error: Exception) -> str | None:
    """One line for what is no bug of ours, None for what is.

    Where the environment variable `TRIFUSE_TRACEBACK` is set, the traceback is told with it.
    """
    line = _line(error)
    if line is None or not os.environ.get(VARIABLE):
        return line
    return f"{line}\n{''.join(traceback.format_exception(error)).rstrip()}"


def _line(error: Exception) -> str | None:
    frames = _frames(error.__traceback__)
    plugins = _plugins()
    ours = [name for name in frames if name.partition(".")[0] in ("trifuse", *plugins)]
    culprit = ours[-1] if ours else ""
    point = plugins.get(culprit.partition(".")[0])
    what = f"{type(error).__name__}: {brief(error)}"
    if point is not None:
        whose = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        return f"plugin {whose} failed in {culprit} ({what}); mend, update or uninstall it ({VARIABLE}=1 shows where)"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"not enough memory ({brief(error)}); give smaller images, fewer --workers, or use a larger machine"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{_MACHINE[error.errno]}"
    foreign = frames and frames[-1].partition(".")[0] != "trifuse"
    if foreign and culprit.startswith(FOREIGN_DATA):
        return f"a file cannot be read by {frames[-1].partition('.')[0]} ({what}); copy or export it anew"
    return None


def _frames(trace: TracebackType | None) -> list[str]:
    """Modules of the frames, the innermost last."""
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(trace)]


def _plugins() -> dict[str, EntryPoint]:
    """Top-level package -> one of the entry points by which it adds something."""
    return {point.module.partition(".")[0]: point for group in GROUPS for point in entry_points(group=group)}
