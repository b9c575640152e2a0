"""Loops that numba compiles, and keeps on disk where there is a place for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from trifuse.core.errors import CacheWarning, brief

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """Numba's `njit` for a function that lets go of the interpreter lock; `options` are numba's.

    What is compiled is kept beside the source, in the user's cache, or in `NUMBA_CACHE_DIR`. Where none of them can be
    written to, or the disk is full, it is compiled anew in each process, and a `CacheWarning` says so.
    """

    def decorated(function: F) -> F:
        try:
            made = njit(cache=True, nogil=True, **options)(function)
        except RuntimeError as error:  # numba finds no folder to write to
            _tell(error)
            return njit(nogil=True, **options)(function)  # type: ignore[no-any-return]
        made._cache = _Lenient(made._cache)
        return made  # type: ignore[no-any-return]

    return decorated


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
