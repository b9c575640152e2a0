"""Names of what is not finished, which tell whose they are, so that what a killed process left can be removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
from functools import lru_cache
from pathlib import Path

_DRAFT = re.compile(r"\.([0-9a-f]{8})-([0-9a-f]+)-[0-9a-f]{8}-.+", re.DOTALL)


def draft_of(path: Path) -> Path:
    """A hidden name beside `path`, of the same ending, for this process to write to before it renames."""
    return path.with_name(f".{_host()}-{os.getpid():x}-{secrets.token_hex(4)}-{path.name[-40:]}")


def sweep(folder: Path, *, below: bool = False) -> None:
    """Removes the drafts in a folder whose processes ran on this computer and are gone.

    Args:
        below: whether in its folders too.
    """
    if sys.platform == "win32" or not folder.is_dir():  # where asking for a process would end it
        return
    for where, folders, names in os.walk(folder):
        for name in (*names, *folders):
            matched = _DRAFT.fullmatch(name)
            if matched is not None and matched[1] == _host() and not _lives(int(matched[2], 16)):
                _remove(Path(where) / name)
        if not below:
            return


def _remove(left: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


@lru_cache(maxsize=1)
def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True
