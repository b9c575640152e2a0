"""Who has the processor's cores: one picture at a time, or many slices side by side.

While slices share the cores, filters start no threads of their own, so that nothing is oversubscribed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_sharers = 0


@contextmanager
def shared() -> Iterator[None]:
    """Says to the whole process, while inside, that the cores are shared out already."""
    global _sharers
    with _lock:
        _sharers += 1
    try:
        yield
    finally:
        with _lock:
            _sharers -= 1


def are_shared() -> bool:
    """Whether someone is inside `shared`."""
    return _sharers > 0
