"""Loops that numba compiles, and keeps on disk where there is a place for it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import config, njit

from trifuse.core.errors import CacheWarning, brief

compiled_part = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For functions that only compiled ones of the same file call: what calls them from Python need not be compiled."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `njit` for a function that lets go of the interpreter lock; `options` are numba's.

    What is compiled is kept in `NUMBA_CACHE_DIR` if that is set, else in `caches()`, so that uninstalling leaves
    nothing behind, else where numba finds a place (beside the source). Where none can be written to, or the disk is
    full, it is compiled anew in each process, and a `CacheWarning` says so.
    """

    def decorated(function: Callable[..., Any]) -> Any:
        try:
            with _our_place():
                made = njit(cache=True, nogil=True, **options)(function)
        except RuntimeError as error:  # numba finds no folder to write to
            _tell(error)
            return njit(nogil=True, **options)(function)
        made._cache = _Lenient(made._cache)
        return made

    return decorated


def caches() -> Path:
    """The user's cache folder: in `$TRIFUSE_HOME`, else where the platform keeps what programs can make anew."""
    if given := os.environ.get("TRIFUSE_HOME"):
        return Path(given).expanduser() / "cache"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "trifuse" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/trifuse").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "trifuse"


@contextmanager
def _our_place() -> Iterator[None]:
    """Lets numba, which asks once for each function, keep it in our folder; those of others stay where they are."""
    before = config.CACHE_DIR
    if before or not _can_be_written(caches()):
        yield
        return
    config.CACHE_DIR = str(caches())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


class _Lenient:
    """A cache of numba's that does without a file that cannot be read or written."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """What was compiled before; None if it must be compiled anew."""
        try:
            return self._cache.load_overload(signature, target)
        except Exception:  # whatever a damaged pickle stumbles over
            return None

    def save_overload(self, signature: Any, made: Any) -> None:
        """Keeps what was compiled, if that is possible."""
        try:
            self._cache.save_overload(signature, made)
        except Exception as error:  # the system's refusal, or a damaged index
            _tell(error)


_TOLD: list[str] = []


def _tell(error: Exception) -> None:
    """Once in a process."""
    if not _TOLD:
        _TOLD.append(brief(error))
        warnings.warn(
            CacheWarning(
                f"compiled filters cannot be kept ({_TOLD[0]}), so that every start takes longer; set NUMBA_CACHE_DIR "
                "to a folder that can be written to"
            ),
            stacklevel=4,
        )
