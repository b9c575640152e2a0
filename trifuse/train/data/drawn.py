"""Which cases a batch was made of, for the message when something goes wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_names: ContextVar[list[str] | None] = ContextVar("trifuse_drawn_cases", default=None)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """A list that gets the names of all cases that are drawn inside the block, each once, in order."""
    names: list[str] = []
    token = _names.set(names)
    try:
        yield names
    finally:
        _names.reset(token)


def note(name: str) -> None:
    """Says that a case was drawn; costs nothing where nobody listens."""
    names = _names.get()
    if names is not None and name not in names:
        names.append(name)
