"""Tags of MATLAB 5 files, looked at before SciPy does: a type of data that does not exist ends the whole process there.

Source: MATLAB MAT-File Format (MathWorks), level 5: elements are a type and a length of 4 bytes each, padded to 8, or
both in 4 bytes with up to 4 bytes of data behind them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MATRIX, COMPRESSED = 14, 15
KNOWN = {*range(1, 8), 9, *range(12, 19)}
"""Types of data that there are."""

NUMERIC = range(6, 16)
"""Classes of arrays of numbers."""

START = 128


def unknown_type(content: bytes, limit: int) -> int | None:
    """A type in an array of numbers that there is none of; None if there is none.

    Args:
        content: of a file of version 5.
        limit: most bytes that a compressed element is unpacked to.
    """
    order = "little" if content[126:128] == b"IM" else "big"
    for kind, body in _elements(content[START:], order):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(body, limit)
            found = next(iter(_elements(unpacked, order)), (0, b""))
            kind, body = found
        if kind != MATRIX or len(body) < 16 or body[8 if order == "little" else 11] not in NUMERIC:
            continue
        for part, _ in _elements(body, order):
            if part not in KNOWN:
                return part
    return None


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of the elements that follow each other; ends where one is cut short, with what there is of it."""
    at = 0
    while at + 8 <= len(content):
        tag = int.from_bytes(content[at : at + 4], order)  # type: ignore[arg-type]
        if tag >> 16:
            yield tag & 0xFFFF, content[at + 4 : at + 8]
            at += 8
            continue
        length = int.from_bytes(content[at + 4 : at + 8], order)  # type: ignore[arg-type]
        yield tag, content[at + 8 : at + 8 + length]
        at += 8 + length + (-length % 8 if tag != COMPRESSED else 0)
