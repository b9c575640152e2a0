"""Files to what the page shows: one image of a file, one for each series of a DICOM folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifuse import io
from trifuse.core.errors import InputError, TrifuseError, UnitsError, one_line
from trifuse.io import formats
from trifuse.io.request import memory_limit

if TYPE_CHECKING:
    from trifuse.core.image import Image
    from trifuse.view.entries import Entry


@dataclass(frozen=True)
class Wanted:
    """An image to be read.

    Attributes:
        path: file or folder.
        name: for people.
        chosen: which series.
        suv: whether PET from DICOM is wanted as SUV.
    """

    path: Path
    name: str
    chosen: Mapping[str, str] = field(default_factory=dict)
    suv: bool = True


@dataclass(frozen=True)
class Read:
    """What came of it: what is known of the image, or why it cannot be shown."""

    wanted: Wanted
    known: Mapping[str, Any]
    suv: bool = False
    error: str = ""


def images_in(path: Path, name: str, suv: bool = True) -> list[Wanted]:
    """What a file or a DICOM folder holds: itself, or each of its series but localizers.

    Raises:
        InputError: if a folder holds no image.
    """
    if not path.is_dir():
        return [Wanted(path, name, suv=suv)]
    from trifuse.io.dicom.choose import grouped
    from trifuse.io.dicom.gather import gathered
    from trifuse.io.request import Request

    request = Request(origin=one_line(path), path=path, limit=memory_limit(None))
    series = grouped(gathered(request).pieces)
    kept = [one for one in series if not one.is_scout] or series
    if len(series) == 1:
        title = series[0].description or series[0].modality
        return [Wanted(path, f"{title} ({name})", suv=suv)]
    return [
        Wanted(path, f"{one.number or '?'}: {one.description or one.modality}", {"series": one.uid}, suv)
        for one in kept
    ]


def read_stored(wanted: Wanted, target: Path) -> Read:
    """Reads an image and writes its values for the page; an error becomes a line for people, without folders' names."""
    from trifuse.view import values

    try:
        image, suv, told = _read(wanted)
        known = values.stored(image, target)
    except TrifuseError as error:
        target.unlink(missing_ok=True)
        return Read(wanted, {}, error=without_place(str(error).splitlines()[0], wanted))
    except Exception as error:
        target.unlink(missing_ok=True)
        return Read(wanted, {}, error=f"{wanted.name}: cannot be shown ({type(error).__name__})")
    known["notes"] = [without_place(note, wanted) for note in (*told, *known["notes"])]
    return Read(wanted, known, suv)


def without_place(text: str, wanted: Wanted) -> str:
    """A message with the name that people know in place of the file's path."""
    for place in (one_line(wanted.path), str(wanted.path), str(wanted.path.parent) + "/"):
        text = text.replace(place, wanted.name if not place.endswith("/") else "")
    return text


def _read(wanted: Wanted) -> tuple[Image, bool, list[str]]:
    """The image, whether it is in SUV, and a note where SUV were wanted in vain."""
    choice: dict[str, Any] = {"series": wanted.chosen.get("series")}
    if not (wanted.suv and _may_tell_suv(wanted.path)):
        return io.read(wanted.path, **choice), False, []
    try:
        image = io.read(wanted.path, units="suv", **choice)
    except UnitsError as error:
        return io.read(wanted.path, **choice), False, [f"in the file's own units: no SUV ({error})"]
    return image, image.units == "SUV", []


def _may_tell_suv(path: Path) -> bool:
    if path.is_dir():
        return True
    try:
        return formats.of_file(path, one_line(path)).suv
    except InputError:
        return False  # reading says what is wrong with it


def read_image(entry: Entry) -> Image:
    """The image of an entry once more, in the units in which it is shown."""
    choice: dict[str, Any] = {"series": entry.chosen.get("series")}
    return io.read(entry.path, units="suv" if entry.suv else "native", **choice)
