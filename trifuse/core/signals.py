"""Work that must not be torn apart by Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds back SIGINT and SIGTERM until the block, which must be brief, is done; then they do what they would have.

    Only the main thread of a process can do so; in others the block runs as it is, and is not interrupted anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        pending.append(number)

    before = {number: signal.signal(number, hold) for number in STOPPING}
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, signal.SIG_DFL if handler is None else handler)
        for number in pending[:1]:
            signal.raise_signal(number)
