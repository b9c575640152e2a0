"""Which DICOM images a path names: the files of a folder, of the folders below it, or of a DICOMDIR; each once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.core.errors import InputError, one_line
from trifuse.io.dicom import kinds
from trifuse.io.dicom.frames import PIXELS, is_image, load
from trifuse.io.guard import guarded
from trifuse.io.request import Request
from trifuse.io.sniff import is_dicom, walked

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Piece:
    """A file that holds an image: its data set with the pixels still on disk."""

    path: Path
    dataset: Dataset

    @property
    def origin(self) -> str:
        """Name for messages."""
        return one_line(self.path)


@dataclass(frozen=True)
class Gathered:
    """What a path names.

    Attributes:
        pieces: the images, each once, by name.
        notes: copies that were left out, where the images lie.
        broken: files named .dcm that are none.
    """

    pieces: list[Piece]
    notes: tuple[str, ...] = ()
    broken: tuple[Path, ...] = ()


def gathered(request: Request) -> Gathered:
    """The images in a folder; where it holds none itself, those in the folders below, links followed.

    Files that are no images (text, directories, structured reports) are passed over.

    Raises:
        InputError: if there is none, or the folder cannot be opened, or a file named .dcm beside images is none.
    """
    try:
        entries = sorted(entry for entry in request.path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{request.origin}: the folder cannot be opened ({error.strerror}); check its access rights"
        ) from error
    here = [entry for entry in entries if entry.is_file()]
    found, broken = _images(here, request)
    notes: tuple[str, ...] = ()
    if broken and (found or len(entries) == len(here)):
        raise _broken(broken[0])
    if not found:
        below = [path for path in walked(request.path) if path.parent != request.path]
        found, broken = _images(below, request)
        notes = ("images found in the folders below",)
    if not found:
        inside = "is empty" if not entries else f"holds no DICOM image among its {len(entries)} entries"
        raise InputError(f"{request.origin}: the folder {inside}; give an image file or the folder of one DICOM series")
    kept, told = without_copies(found)
    return Gathered(kept, (*notes, *told), tuple(broken))


def listed(directory: Dataset, request: Request) -> Gathered:
    """The images that a DICOMDIR lists.

    Raises:
        InputError: if it lists none, or a file that is not there.
    """
    root, found = request.path.parent, []
    for record in directory.get("DirectoryRecordSequence") or []:
        name = record.get("ReferencedFileID")
        if not name:
            continue
        path = _on_disk(root, [name] if isinstance(name, str) else [str(part) for part in name])
        if path is None:
            raise InputError(
                f"{request.origin}: lists a file that is not beside it ({one_line(str(name))}); copy the whole medium"
            )
        found.append(path)
    images, _ = _images(found, request)
    if not images:
        raise InputError(f"{request.origin}: this DICOMDIR lists no image")
    kept, told = without_copies(images)
    return Gathered(kept, told)


def check_complete(gathered: Gathered, chosen: Sequence[Piece]) -> None:
    """Refuses a series beside which a broken file lies: one of its slices may be missing.

    Raises:
        InputError: if so.
    """
    folders = {piece.path.parent for piece in chosen}
    for path in gathered.broken:
        if path.parent in folders:
            raise _broken(path)


def without_copies(pieces: Sequence[Piece]) -> tuple[list[Piece], tuple[str, ...]]:
    """Every object once, by its UID.

    Raises:
        InputError: if two files have the UID of one object, and other pixels.
    """
    first: dict[str, Piece] = {}
    kept, copies = [], 0
    for piece in pieces:
        uid = str(piece.dataset.get("SOPInstanceUID") or piece.path)
        if uid not in first:
            first[uid] = piece
            kept.append(piece)
            continue
        alike = piece.dataset.file_meta.TransferSyntaxUID == first[uid].dataset.file_meta.TransferSyntaxUID
        if alike and _pixels_hash(piece.path) != _pixels_hash(first[uid].path):
            raise InputError(
                f"{piece.origin}: has the UID of {one_line(first[uid].path.name)} and other pixels; keep one of them"
            )
        copies += 1
    return kept, (f"{copies} copies of files left out (same SOPInstanceUID)",) if copies else ()


def _pixels_hash(path: Path) -> str:
    """Hash of the pixels as they are on disk."""
    from pydicom import dcmread

    digest = hashlib.sha256()
    with guarded(one_line(path), "DICOM"):
        dataset = dcmread(path, force=True)
        for keyword in PIXELS:
            if keyword in dataset:
                digest.update(bytes(dataset[keyword].value))
    return digest.hexdigest()


def _images(paths: Sequence[Path], request: Request) -> tuple[list[Piece], list[Path]]:
    """The files that hold images, and those that are named as if they did and are no DICOM."""
    found, broken = [], []
    for path in paths:
        if is_dicom(path):
            found += image_of(path, request)
        elif path.suffix.lower() == ".dcm":
            broken.append(path)
    return found, broken


def image_of(path: Path, request: Request) -> list[Piece]:
    """The file if it holds an image, else nothing."""
    origin = one_line(path)
    with guarded(origin, "DICOM"):
        dataset = load(path, replace(request, origin=origin, path=path))
        return [Piece(path, dataset)] if is_image(dataset) and not kinds.is_about_images(dataset) else []


def header_of(path: Path) -> list[Piece]:
    """The file, with its header alone, if it holds an image; else nothing."""
    from pydicom import dcmread

    with guarded(one_line(path), "DICOM"):
        header = dcmread(path, force=True, stop_before_pixels=True)
        return [Piece(path, header)] if "Rows" in header and not kinds.is_about_images(header) else []


def _on_disk(root: Path, parts: Sequence[str]) -> Path | None:
    """A file by its name in a DICOMDIR, which is upper case whatever the medium has made of it."""
    place = root
    for part in parts:
        for name in (part, part.lower(), f"{part}.dcm", f"{part.lower()}.dcm"):
            if (place / name).exists():
                place = place / name
                break
        else:
            return None
    return place if place.is_file() else None


def _broken(path: Path) -> InputError:
    return InputError(f"{one_line(path)}: is named .dcm but is no DICOM file, or may not be read; remove or replace it")
