"""What a file begins with: names lie, and medical files often have no suffix at all."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trifuse.core.errors import InputError

_LENGTH = 352

FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "HDF5 (MINC 2, or another program's own)"),
    (b"CDF\x01", "netCDF (MINC 1)"),
    (b"CDF\x02", "netCDF (MINC 1)"),
    (b"\x93NUMPY", "a numpy array"),
    (b"PK\x03\x04", "a ZIP archive (unpack it first)"),
    (b"7z\xbc\xaf", "a 7z archive (unpack it first)"),
    (b"BZh", "packed by bzip2 (unpack it first)"),
    (b"\xfd7zXZ", "packed by xz (unpack it first)"),
    (b"%PDF", "PDF"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"RIFF", "WebP, or a film or sound"),
    (b"\0\0\0\x18ftyp", "HEIF, AVIF or a film"),
    (b"\0\0\0\x1cftyp", "HEIF, AVIF or a film"),
    (b"\0\0\0\x20ftyp", "HEIF, AVIF or a film"),
    (b"!INTERFILE", "Interfile"),
    (b"MATRIX7", "ECAT 7"),
    (b"# === DATA DESC", "Philips PAR/REC"),
    (b"SIMPLE  =", "FITS"),
    (b"8BPS", "Photoshop"),
)
"""How files begin that hold images which are not read here, and what they are."""


@dataclass(frozen=True)
class Head:
    """What a file begins with.

    Attributes:
        path: where it lies.
        start: its first bytes, at most 352; unpacked if it is compressed by gzip.
        packed: whether it is.
    """

    path: Path
    start: bytes
    packed: bool = False


def head_of(path: Path, origin: str) -> Head:
    """How a regular file begins.

    Raises:
        InputError: if it is missing, unreadable or empty, or its compression is damaged.
    """
    start = _first_bytes(path, origin)
    if not start:
        raise InputError(f"{origin}: the file is empty (0 bytes); copy or export it anew")
    packed = start[:2] == b"\x1f\x8b"
    return Head(path, _unzipped(path, origin) if packed else start, packed)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with the preamble or without."""
    try:
        with path.open("rb") as stream:
            return begins_as_dicom(Head(path, stream.read(_LENGTH)))
    except OSError:
        return False


def begins_as_dicom(head: Head) -> bool:
    """DICOM with its preamble, or bare: elements of group 0002 or 0008, a tag, then a short length or a VR."""
    start = head.start
    if head.packed:
        return False
    if start[128:132] == b"DICM":
        return True
    if start[:2] not in (b"\x02\x00", b"\x08\x00") or len(start) < 16:
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return explicit or int.from_bytes(start[4:8], "little") < 256


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def walked(folder: Path) -> Iterator[Path]:
    """All files in a folder and below, by name, hidden ones left out; links are followed, circles are not."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(where) / name for name in sorted(names) if not name.startswith("."))


def _first_bytes(path: Path, origin: str) -> bytes:
    try:
        if not path.exists():
            raise InputError(f"{origin}: no such file or folder; check the path")
        if not path.is_file():
            raise InputError(f"{origin}: is neither a file nor a folder; give an image file or a DICOM folder")
        with path.open("rb") as stream:
            return stream.read(_LENGTH)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{origin}: cannot be read ({reason}); check the path and its access rights") from error


def _unzipped(path: Path, origin: str) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(_LENGTH)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{origin}: its compression is damaged ({error}); copy or export it anew") from error
