"""The formats, one file each. A new format is a new file and one line here, or an entry point `trifuse.formats`.

A file is what it holds, not what it is called: every format says how it recognises itself. Only for writing does the
name decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.registry import Registry
from trifuse.io.sniff import FOREIGN, Head, head_of

if TYPE_CHECKING:
    from trifuse.core.image import Image
    from trifuse.io.request import Request

Bits = Literal[8, 16, 32]
"""Bits per value; 32 are a float."""


@dataclass(frozen=True)
class Output:
    """How an image is to be written.

    Attributes:
        bits: bits per grey value, one of the format's `depths`.
        keep_patient: file or folder whose patient and study the new object joins, for formats that keep patients.
    """

    bits: Bits
    keep_patient: str | Path | None = None


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        kind: its name in the registry.
        title: its name in messages.
        suffixes: ends of the names of such files, lower case, the usual one first; "" for a folder.
        also: further ends of names, under which it is read and not written.
        recognised: whether a file begins as such files do.
        read: the image that a request asks for; raises an `InputError` of one line, whatever the file holds.
        write: writes an image to the path it gets; None if it is not written.
        depths: bits per grey value that it can be written with, the default first.
        dims: 2 where it holds pictures and slices, 3 where it holds volumes.
        units: whether it keeps native values, the window they are shown in and the place in the patient; display
            values otherwise.
        suv: whether its header says what SUV need.
        patient: whether it holds a patient, which new objects can join.
        series: whether `series=` chooses something in it.
        folder: whether it is a folder and not a file.
    """

    kind: str
    title: str
    suffixes: tuple[str, ...]
    also: tuple[str, ...] = ()
    recognised: Callable[[Head], bool]
    read: Callable[[Request], Image]
    write: Callable[[Image, Path, Output], None] | None = None
    depths: tuple[Bits, ...] = ()
    dims: tuple[int, ...] = (2,)
    units: bool = False
    suv: bool = False
    patient: bool = False
    series: bool = False
    folder: bool = False


REGISTRY: Registry[Format] = Registry(
    "format",
    "trifuse.io",
    {
        "png": "picture:PNG",
        "jpeg": "picture:JPEG",
        "bmp": "picture:BMP",
        "gif": "picture:GIF",
        "tiff": "tiff:TIFF",
        "nifti": "nifti:NIFTI",
        "nrrd": "nrrd:NRRD",
        "metaimage": "metaimage:METAIMAGE",
        "mgh": "mgh:MGH",
        "matlab": "matlab:MATLAB",
        "pair": "pair:PAIR",
        "dicom": "dicom:DICOM",
        "series": "dicom:SERIES",
    },
    plugins="trifuse.formats",
    fault="formats:fault",
)
"""Kind -> file and constant. The first that recognises a file reads it: those that are told by little come last."""

names = REGISTRY.names
get = REGISTRY.get


def every() -> list[Format]:
    """All formats, in the order in which they are asked; a plugin that cannot be loaded is left out, with a warning."""
    return [found for _, found in REGISTRY.working()]


def fault(found: object, name: str) -> str | None:
    """What is wrong with what a plugin gives for a format of this name, None if nothing is."""
    if not isinstance(found, Format):
        return "is no format (a `trifuse.io.formats.Format`)"
    return None if found.kind == name else f"calls itself {found.kind!r}"


def of_file(path: Path, origin: str) -> Format:
    """The format of a regular file.

    Raises:
        InputError: if it is missing, unreadable, empty, or of no known format.
    """
    head = head_of(path, origin)
    for found in every():
        if not found.folder and _recognises(found, head):
            return found
    readable = ", ".join(found.title for found in every() if not found.folder)
    if head.packed:
        raise InputError(f"{origin}: is compressed but holds no image of a known kind; unpack it, or give {readable}")
    foreign = next((title for magic, title in FOREIGN if head.start.startswith(magic)), None)
    if foreign is not None:
        raise InputError(f"{origin}: is {foreign}, which is not read here; convert it to NIfTI or PNG")
    raise InputError(f"{origin}: is no image of a known kind, or damaged at its beginning; give {readable}")


def _recognises(found: Format, head: Head) -> bool:
    """What a format says of a file; one that cannot even look at it does not recognise it."""
    try:
        return found.recognised(head)
    except Exception:  # damaged headers must not stop the formats that come after
        return False


def of_folder() -> Format:
    """The format of a folder."""
    return next(found for found in every() if found.folder)


def for_name(path: Path) -> Format:
    """The format in which a file of this name is written.

    Raises:
        OptionError: if the name tells none.
    """
    name = path.name.lower()
    written = [(suffix, found) for found in every() if found.write is not None for suffix in found.suffixes]
    fitting = [(len(suffix), found) for suffix, found in written if suffix and name.endswith(suffix) and name != suffix]
    if fitting:
        return max(fitting, key=lambda pair: pair[0])[1]
    if not path.suffix:
        return of_folder()
    for found in every():
        if found.write is not None and name.endswith(found.also or "\0"):
            raise OptionError(
                f"{one_line(path)}: is a {found.title} header with its values in a second file, which is read and not "
                f"written: one of the two gets lost; write {found.suffixes[0]}, which holds both"
            )
    known = ", ".join(dict.fromkeys(suffix for suffix, _ in written if suffix))
    raise OptionError(f"{one_line(path)}: no format is written for this name; choose one of {known}")


def suffixes() -> tuple[str, ...]:
    """Ends of the names of all files that are read, the longest first."""
    known = {suffix for found in every() for suffix in (*found.suffixes, *found.also) if suffix}
    return tuple(sorted(known, key=lambda suffix: (-len(suffix), suffix)))
