"""One cache of what is made of checkpoints, which notices a changed file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from trifuse.core.errors import TrifuseError, WeightsError, brief

T = TypeVar("T")

MOST = 8
"""How many networks are kept; the one that was not used for longest goes first."""

_CACHE: OrderedDict[tuple[Hashable, ...], tuple[tuple[int, int], Any]] = OrderedDict()
_LOCK = RLock()


def kept(make: Callable[..., T], path: str | Path, *options: Hashable) -> T:
    """`make(path, *options)`, made once and kept until the file changes; one thread makes it, others wait.

    Args:
        make: a function of a module, which makes a network of a checkpoint (outside of inference mode).
        path: the checkpoint.
        options: further arguments that decide what is made.

    Raises:
        WeightsError: if there is no such file, or it is foreign: whatever `make` stumbles over is told in one line.
    """
    path = Path(path)
    key = (make, path.absolute(), *options)
    with _LOCK:
        now = stamp(path)
        known = _CACHE.pop(key, None)
        if known is None or known[0] != now:
            known = now, _made(make, path, options)
        _CACHE[key] = known
        while len(_CACHE) > MOST:
            _CACHE.popitem(last=False)
    found: T = known[1]
    return found


def _made(make: Callable[..., T], path: Path, options: tuple[Hashable, ...]) -> T:
    import torch

    try:
        with torch.inference_mode(False):
            return make(path, *options)
    except (TrifuseError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a foreign file breaks expectations in ways of its own
        reason = f"{type(error).__name__}: {brief(error)}"
        raise WeightsError(f"{path}: is no such file as is wanted here ({reason}); give another") from error


def stamp(path: Path) -> tuple[int, int]:
    """Time and size of a file, one of which changes when its content does.

    Raises:
        WeightsError: if there is no such file.
    """
    try:
        found = path.stat()
    except OSError:
        raise WeightsError(f"{path}: there is no such file; give a checkpoint") from None
    return found.st_mtime_ns, found.st_size
