"""Progress of long work, reported without any layer knowing who listens.

A loop deep inside a method says `for step in track(steps, "sampling")`; a command line, a notebook or
a server that wants to show it wraps the call in `with listening(callback)`. Nobody listening costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Listener = Callable[[str, int, int], None]
"""Called as `listener(label, done, total)`, first with `done = 0`, last with `done = total`."""

T = TypeVar("T")

_listener: ContextVar[Listener | None] = ContextVar("trifuse_progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends the progress of everything that runs inside the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Iterates over `items`, reporting under `label` after each one is done."""
    return track_done(items, len(items), label)


def track_done(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Iterates over items that end one by one, `total` in all, reporting under `label` after each."""
    listener = _listener.get()
    if listener is None:
        yield from items
        return
    listener(label, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        listener(label, done, total)
