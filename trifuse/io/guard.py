"""Keeps the decoding libraries quiet, and turns whatever they throw at a damaged file into one clear error."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from trifuse.core.errors import InputError, TrifuseError, brief

_TALKATIVE = ("PIL", "highdicom", "nibabel", "nibabel.global", "pydicom", "tifffile")


@contextmanager
def guarded(origin: str, kind: str) -> Iterator[None]:
    """Reading of foreign data: any failure inside the block becomes an `InputError` of one line.

    Args:
        origin: what is read, for the message.
        kind: what it should be, such as "PNG".

    Raises:
        InputError: instead of any exception that is not a `TrifuseError` already.
    """
    with quiet():
        try:
            yield
        except TrifuseError:
            raise
        except MemoryError as error:
            raise InputError(f"{origin}: not enough memory to read it; crop it or use a larger machine") from error
        except PermissionError as error:
            raise InputError(f"{origin}: may not be read (permission denied); check its access rights") from error
        except Exception as error:
            # Decoders answer damaged bytes with exceptions of every kind, IndexError and KeyError included.
            raise InputError(
                f"{origin}: damaged or not valid {kind} ({brief(error)}); copy or export it anew"
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log lines of the decoding libraries inside the block."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


@contextmanager
def mute() -> Iterator[None]:
    """Nothing on the standard error of the process inside the block, where C libraries such as libtiff write."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
