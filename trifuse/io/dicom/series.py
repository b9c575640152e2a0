"""A folder of DICOM slices as one volume, or a clear refusal: slices are never stacked on a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image
from trifuse.io.dicom import header as headers
from trifuse.io.dicom.codec import decoded
from trifuse.io.dicom.dynamic import time_points
from trifuse.io.dicom.file import read_file
from trifuse.io.dicom.frames import PIXELS, check_pixels, frame_count, is_image, load, native_values
from trifuse.io.dicom.stack import stacked
from trifuse.io.dicom.suv import in_suv
from trifuse.io.guard import guarded
from trifuse.io.request import Request
from trifuse.io.sniff import is_dicom

if TYPE_CHECKING:
    from pydicom import Dataset


def read_folder(request: Request) -> Image:
    """The DICOM series in a folder as a volume (column, row, slice), slices sorted along their normal.

    Of a dynamic series `frame` chooses the volume of one time, or the mean of all. File names play no part. Files that
    are no DICOM images (text, directories, structured reports) are passed over, but one that is named `.dcm` and cannot
    be read is an error: a slice would be missing. Subfolders are not searched.

    Raises:
        InputError: if there is no image, or the images are of several series, frames of reference or sizes, or
            do not lie one behind the other at equal distances.
    """
    found = _image_files(request)
    if len(found) == 1:
        return read_file(replace(request, path=found[0].path, origin=one_line(found[0].path)))
    with guarded(request.origin, "DICOM series"):
        flat = [piece.header for piece in found]
        datasets = [piece.dataset for piece in found]
        _check_one_series(datasets, flat, request)
        points = time_points(flat)
        if len(points) == 1 and isinstance(request.frame, int):
            raise InputError(f"{request.origin}: frame= is not for a series folder; give the file of the slice instead")
        samples = int(flat[0].get("SamplesPerPixel") or 1)
        request.check_size((len(points[0]), int(flat[0].Rows), int(flat[0].Columns), samples))
        image = stacked(flat, lambda index: _native(found[index], request), request)
        return in_suv(image, datasets, request) if request.units == "suv" else image


@dataclass(frozen=True)
class _Slice:
    """A file of the series: its data set with the pixels still on disk, and its header (see `frame_header`)."""

    path: Path
    dataset: Dataset
    header: Dataset


def _image_files(request: Request) -> list[_Slice]:
    """Files of the folder that hold DICOM images, by name."""
    try:
        entries = sorted(entry for entry in request.path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{request.origin}: the folder cannot be opened ({error.strerror}); check its access rights"
        ) from error
    found = []
    for path in entries:
        if not path.is_file():
            continue
        if is_dicom(path):
            found += _slice(path, request)
        elif path.suffix.lower() == ".dcm":
            raise InputError(
                f"{one_line(path)}: is named .dcm but is no DICOM file, or may not be read; remove or replace it"
            )
    if not found:
        inside = "is empty" if not entries else f"holds no DICOM image among its {len(entries)} entries"
        raise InputError(f"{request.origin}: the folder {inside}; give an image file or the folder of one DICOM series")
    return found


def _slice(path: Path, request: Request) -> list[_Slice]:
    """The file if it holds an image, else nothing."""
    origin = one_line(path)
    with guarded(origin, "DICOM"):
        dataset = load(path, replace(request, origin=origin))
        return [_Slice(path, dataset, headers.frame_header(dataset, 0))] if is_image(dataset) else []


def _native(piece: _Slice, request: Request) -> NDArray[Any]:
    """Native values of a slice; its encoded pixels are let go of at once."""
    origin = one_line(piece.path)
    with guarded(origin, "DICOM"):
        check_pixels(piece.dataset, 1, replace(request, origin=origin))
        values = native_values(decoded(piece.dataset, 0, origin), piece.dataset, piece.header)
        for keyword in PIXELS:
            if keyword in piece.dataset:
                delattr(piece.dataset, keyword)
        return values


def _check_one_series(datasets: Sequence[Dataset], flat: Sequence[Dataset], request: Request) -> None:
    several = [dataset for dataset in datasets if frame_count(dataset) > 1]
    if several:
        raise InputError(
            f"{request.origin}: {len(datasets)} DICOM images, {len(several)} of them multi-frame; give one of the files"
        )
    series = Counter(
        (
            str(header.get("SeriesInstanceUID", "")),
            one_line(str(header.get("Modality", "?"))),
            str(header.get("SeriesNumber", "?")),
        )
        for header in flat
    )
    if len({uid for uid, _, _ in series}) > 1:
        listed = ", ".join(
            f"{made_by} series {number} ({count} files)" for (_, made_by, number), count in list(series.items())[:4]
        )
        raise InputError(
            f"{request.origin}: several DICOM series in one folder: {listed}; put each into its own folder"
        )
    if len({str(header.get("FrameOfReferenceUID", "")) for header in flat}) > 1:
        raise InputError(
            f"{request.origin}: slices in different frames of reference form no volume; keep one of them in the folder"
        )
    sizes = {
        (int(h.Columns), int(h.Rows), int(h.get("SamplesPerPixel") or 1), str(h.get("PhotometricInterpretation")))
        for h in flat
    }
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height} {one_line(colour)}" for width, height, _, colour in sorted(sizes)[:4])
        raise InputError(
            f"{request.origin}: slices of different sizes or colour models ({listed}) form no volume; keep one kind"
        )
