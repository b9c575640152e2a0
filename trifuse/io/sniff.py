"""What a file is, by its first bytes: names lie, and medical files often have no suffix at all."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Literal

from trifuse.core.errors import InputError

Kind = Literal["png", "jpeg", "bmp", "gif", "tiff", "nifti", "dicom"]

READABLE = "PNG, JPEG, BMP, GIF, TIFF, NIfTI (.nii, .nii.gz) or DICOM"

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
)

_HEAD = 352


def kind_of(path: Path, origin: str) -> Kind:
    """Kind of a regular file.

    Raises:
        InputError: if it is missing, unreadable, empty, or of no known kind.
    """
    head = _first_bytes(path, origin)
    if not head:
        raise InputError(f"{origin}: the file is empty (0 bytes); copy or export it anew")
    if head[:2] == b"\x1f\x8b":
        head = _unzipped(path, origin)
        if _is_nifti(head):
            return "nifti"
        raise InputError(f"{origin}: is compressed but holds no NIfTI image; unpack it, or give {READABLE}")
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if _is_nifti(head):
        return "nifti"
    if _is_bare_dicom(head):
        return "dicom"
    raise InputError(f"{origin}: is no image of a known kind, or damaged at its beginning; give {READABLE}")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with the preamble or without."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return head[128:132] == b"DICM" or _is_bare_dicom(head)


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _first_bytes(path: Path, origin: str) -> bytes:
    try:
        if not path.exists():
            raise InputError(f"{origin}: no such file or folder; check the path")
        if not path.is_file():
            raise InputError(f"{origin}: is neither a file nor a folder; give an image file or a DICOM folder")
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{origin}: cannot be read ({reason}); check the path and its access rights") from error


def _unzipped(path: Path, origin: str) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{origin}: its compression is damaged ({error}); copy or export it anew") from error


def _is_nifti(head: bytes) -> bool:
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def _is_bare_dicom(head: bytes) -> bool:
    """A data set without preamble starts with an element of group 0002 or 0008: tag, then a short length or a VR."""
    if head[:2] not in (b"\x02\x00", b"\x08\x00") or len(head) < 16:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") < 256
