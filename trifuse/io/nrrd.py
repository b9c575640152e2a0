"""NRRD (`.nrrd`, or a header `.nhdr` with the values in a file of its own), as 3D Slicer has it, through SimpleITK."""

from __future__ import annotations

import math
import re
from pathlib import Path

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.itk_file import check_below, check_stream, read_with, write_with
from trifuse.io.request import Request

_LONGEST_HEADER = 2**20
_LONGEST_LINE = 1000

_ENCODINGS = ("raw", "txt", "text", "ascii", "hex", "gz", "gzip")

_BYTES = {"char": 1, "int8": 1, "uint8": 1, "short": 2, "int16": 2, "uint16": 2, "int": 4, "int32": 4, "uint32": 4}
_BYTES |= {"float": 4, "longlong": 8, "int64": 8, "uint64": 8, "double": 8}
"""Bytes of a value, by the last word of its type."""


def read(request: Request) -> Image:
    """NRRD as an image with its own values and geometry; frames and channels as for `itk_file.read_with`.

    Raises:
        InputError: if it is damaged, truncated, too large, or holds several frames and none is chosen.
    """
    with guarded(request.origin, "NRRD"):
        fields, length = _header(request.path)
        _check_plain(fields, request)
        _check_packed(fields, length, request)
        image = read_with(request, "NrrdImageIO")
        if "space" in fields or "space dimension" in fields:
            return image
        return image.noted("its header names no space: taken to run left, back and up")


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields of a header by name, lower case, and its length in bytes (to the blank line, or the end of the file)."""
    with path.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER)
    end = re.search(rb"\r?\n\r?\n", start)
    lines = start[: end.start() if end else len(start)].decode("latin-1").splitlines()
    found = (line.partition(":") for line in lines if not line.startswith("#") and ":=" not in line)
    pairs = [(name.strip().lower(), value.strip()) for name, mark, value in found if mark]
    endless = any(len(line) > _LONGEST_LINE for line in lines)
    nameless = any(re.match(r"#|[^:]*:", line) is None for line in lines[1:])
    listed = any(value.upper().startswith("LIST") for name, value in pairs if name in ("data file", "datafile"))
    if len(dict(pairs)) < len(pairs) or endless or (nameless and not listed):
        raise ValueError("a field is there twice, or a line is none")
    return dict(pairs), end.end() if end else len(start)


_NUMBER = r"(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf|nan)"
_WORDS, _TEXT = r"[\w ./+-]{0,80}", r"[^\x00-\x1f]{0,1000}"
_VECTOR = rf"\(\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{0,3}}\s*\)"

_SHAPES: dict[str, str] = dict.fromkeys(("sizes",), r"\d{1,12}")
_SHAPES |= dict.fromkeys(("spacings", "thicknesses", "axis mins", "axis maxs"), _NUMBER)
_SHAPES |= dict.fromkeys(("kinds", "centers", "centerings"), r"[\w?-]{1,40}")
_SHAPES |= {"labels": r'"[^"]{0,80}"', "units": r'"[^"]{0,80}"', "space directions": rf"(?:none|{_VECTOR})"}
"""What there is of a field for each axis."""

_WHOLE = {"space origin": _VECTOR, "measurement frame": rf"{_VECTOR}(?:\s+{_VECTOR}){{0,3}}"}
_WHOLE |= {"space units": r'"[^"]{0,40}"(?:\s+"[^"]{0,40}"){0,3}'}
_WHOLE |= dict.fromkeys(("type", "encoding", "endian", "space", "space dimension", "dimension", "sample units"), _WORDS)
_WHOLE |= dict.fromkeys(("min", "max", "old min", "old max", "oldmin", "oldmax", "number", "block size"), _WORDS)
_WHOLE |= dict.fromkeys(("line skip", "byte skip", "lineskip", "byteskip"), r"-?\d{1,12}")
_WHOLE |= dict.fromkeys(("data file", "datafile", "content"), _TEXT)
"""What other fields are."""

_MOST_AXES = 6


def _check_plain(fields: dict[str, str], request: Request) -> None:
    """Lets through to ITK's parser what the format knows alone: on other fields it may end the whole process.

    Values in a file of its own must lie in the header's folder or below.
    """
    axes = int(fields["dimension"])
    for name, value in fields.items():
        each = _SHAPES.get(name)
        shape = _WHOLE.get(name) if each is None else rf"{each}(?:\s+{each}){{{axes - 1}}}"
        if not 1 <= axes <= _MOST_AXES or shape is None or re.fullmatch(shape, value) is None:
            raise InputError(f"{request.origin}: not valid NRRD (its field {one_line(name[:60])}); export it anew")
    check_below(fields.get("data file") or fields.get("datafile"), request)


def _check_packed(fields: dict[str, str], length: int, request: Request) -> None:
    """Compressed values must be whole, and packed in a way that is read here."""
    if (packing := fields.get("encoding", "raw").lower()) not in _ENCODINGS:
        raise InputError(
            f"{request.origin}: its values are packed as {one_line(packing)}, which is not read here; "
            "save it as gzip or raw"
        )
    if fields.get("encoding", "").lower() not in ("gz", "gzip"):
        return
    expected = math.prod(int(n) for n in fields["sizes"].split()) * _BYTES[_type_of(fields)]
    request.check_size([int(n) for n in fields["sizes"].split()])
    apart = fields.get("data file") or fields.get("datafile")
    if apart is None:
        check_stream(request.path, length, expected, request, wrapping=31)
        return
    holder = request.path.parent / apart
    if " " in apart or not holder.is_file():
        raise InputError(
            f"{request.origin}: its values are said to lie in {one_line(apart)}, which is no file beside it"
        )
    check_stream(holder, 0, expected, request, wrapping=31)


def _type_of(fields: dict[str, str]) -> str:
    """The type's last word, such as "short" of "unsigned short int" and "uint8" of "uint8_t"."""
    words = [word for word in fields["type"].lower().removesuffix("_t").split() if word not in ("signed", "unsigned")]
    if words[-2:] == ["short", "int"]:
        return "short"
    return "longlong" if words[:2] == ["long", "long"] else words[-1]


NRRD = Format(
    kind="nrrd",
    title="NRRD",
    suffixes=(".nrrd",),
    also=(".nhdr",),
    recognised=lambda head: not head.packed and head.start.startswith(b"NRRD000"),
    read=read,
    write=lambda image, path, output: write_with(image, path, "NrrdImageIO"),
    depths=(32,),
    dims=(2, 3),
    units=True,
)
