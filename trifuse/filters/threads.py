"""Splits the rows of an image over threads, for compiled loops that let go of the interpreter lock.

The pool lives as long as the call, so that any number of threads and forked processes can filter at once;
numba's own parallel loops forbid one or the other, depending on the threading library found at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import torch

from trifuse.core import cores

PARTS_PER_THREAD = 4


def threads() -> int:
    """How many threads a filter uses: torch's number (`OMP_NUM_THREADS`), at most `NUMBA_NUM_THREADS`.

    One while slices share the cores. Numba itself is not asked: it would start its own threading library, which sets
    the process's number of threads.
    """
    return 1 if cores.are_shared() else min(torch.get_num_threads(), int(numba.config.NUMBA_NUM_THREADS))


def over_parts(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """Calls `kernel(*arguments, first, last)` for consecutive ranges that together cover `0..count`.

    Args:
        kernel: a compiled function without the interpreter lock, which writes only what belongs to its range.
        count: number of rows (or tiles) to share out.
    """
    workers = min(threads(), count)
    if workers < 2:
        kernel(*arguments, 0, count)
        return
    parts = min(workers * PARTS_PER_THREAD, count)
    bounds = [count * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(workers) as pool:
        tasks = [pool.submit(kernel, *arguments, *bounds[part : part + 2]) for part in range(parts)]
        for task in tasks:
            task.result()
