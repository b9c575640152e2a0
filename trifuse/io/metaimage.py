"""MetaImage (`.mha`, or a header `.mhd` with the values in a file of its own), as ITK has it, through SimpleITK."""

from __future__ import annotations

import math
import re
from pathlib import Path

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image, Modality
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.itk_file import check_below, check_stream, read_with, write_with
from trifuse.io.request import Request
from trifuse.io.sniff import Head

_LONGEST_HEADER = 2**16

_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_BYTES |= {"LONG_LONG": 8, "ULONG_LONG": 8}

_MODALITIES = {"MET_MOD_CT": Modality.CT, "MET_MOD_NM": Modality.SPECT, "MET_MOD_US": Modality.US}


def read(request: Request) -> Image:
    """MetaImage as an image with its own values and geometry; frames and channels as for `itk_file.read_with`.

    Raises:
        InputError: if it is damaged, truncated, too large, or holds several frames and none is chosen.
    """
    with guarded(request.origin, "MetaImage"):
        fields, length = _header(request.path)
        _check_plain(fields, request)
        _check_values(fields, length, request)
        modality = _MODALITIES.get(fields.get("modality", ""), Modality.OTHER)
        return read_with(request, "MetaImageIO", modality=modality)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields of a header by name, lower case, and its length in bytes; `ElementDataFile` is the last."""
    with path.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER)
    end = re.search(rb"ElementDataFile\s*=[^\n]*\n?", start)
    lines = start[: end.end() if end else len(start)].decode("latin-1").splitlines()
    found = (line.partition("=") for line in lines)
    pairs = [(name.strip().lower(), value.strip()) for name, mark, value in found if mark]
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is there twice")
    return fields, end.end() if end else 0


_PER_AXIS = ("dimsize", "elementspacing", "elementsize", "offset", "position", "origin", "centerofrotation")
_PER_PAIR = ("transformmatrix", "rotation", "orientation")
"""Fields with a number for each axis, or for each pair of axes."""

_LARGEST = 1e6
"""Largest number of a direction, spacing or place (mm): ITK looks for the axes of a direction of 1e308 without end."""

_MOST_AXES = 6
_LONGEST_FIELD = 4096


def _check_plain(fields: dict[str, str], request: Request) -> None:
    """Fields that ITK's parser can take: with more axes or numbers than it has room for it ends the whole process."""
    axes = int(fields["ndims"])
    wanted = dict.fromkeys(_PER_AXIS, axes) | dict.fromkeys(_PER_PAIR, axes * axes)
    for name, value in fields.items():
        numbers = [float(word) for word in value.split()] if name in wanted else []
        counted = len(numbers) == wanted.get(name, 0) and all(abs(number) <= _LARGEST for number in numbers)
        if not 1 <= axes <= _MOST_AXES or not counted or len(value) > _LONGEST_FIELD:
            raise InputError(f"{request.origin}: not valid MetaImage (its field {one_line(name[:60])}); export it anew")


def _check_values(fields: dict[str, str], length: int, request: Request) -> None:
    """The values must be there, and whole if they are packed: ITK goes on with what it has."""
    apart = fields.get("elementdatafile", "")
    if apart.upper() != "LOCAL" and not apart.upper().startswith("LIST"):
        check_below(apart, request)
    holder = request.path if apart.upper() == "LOCAL" else request.path.parent / apart
    if apart.upper().startswith("LIST") or "%" in apart:
        return
    if not holder.is_file():
        raise InputError(
            f"{request.origin}: its values are said to lie in {one_line(apart)}, which is no file beside it"
        )
    if fields.get("compresseddata", "").lower() != "true":
        return
    sizes = [int(n) for n in fields["dimsize"].split()] + [int(fields.get("elementnumberofchannels", "1"))]
    request.check_size(sizes)
    kind = fields["elementtype"].removeprefix("MET_").removesuffix("_ARRAY")
    offset = length if holder == request.path else 0
    check_stream(holder, offset, math.prod(sizes) * _BYTES[kind], request, wrapping=15)


def _recognised(head: Head) -> bool:
    """Text whose first lines are fields of a MetaImage; `ObjectType` may be missing, `NDims` not."""
    if head.packed or not re.match(rb"\s*[A-Za-z]+\s*=", head.start):
        return False
    return re.search(rb"^\s*NDims\s*=", head.start, flags=re.MULTILINE) is not None


METAIMAGE = Format(
    kind="metaimage",
    title="MetaImage",
    suffixes=(".mha",),
    also=(".mhd",),
    recognised=_recognised,
    read=read,
    write=lambda image, path, output: write_with(image, path, "MetaImageIO"),
    depths=(32,),
    dims=(2, 3),
    units=True,
)
