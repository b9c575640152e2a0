"""Reading and writing: one file per format, chosen by what a file is, not by what it is called.

    image = read("t1.nii.gz")
    write(image, "t1.png")

| format | read | written |
|---|---|---|
| PNG, JPEG, BMP | 8 bits, PNG 16 bits too | 8 bits, PNG 16 bits on request |
| GIF | one frame or the mean | no |
| TIFF | 8, 16, 32 bits, integer or float | 8 bits, 16 bits or float32 on request |
| NIfTI | any real number type, RGB | float32 native values, RGB24 |
| NRRD, MetaImage | pictures and volumes with their geometry | float32 native values, packed |
| MGH/MGZ, pairs of .hdr and .img (NIfTI, Analyze) | volumes | no |
| MATLAB (.mat) | an array of numbers | no |
| DICOM | file, series folder, multi-frame | 16-bit grey or 8-bit RGB: one derived object, or a series |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from trifuse.core.errors import InputError, NothingToChooseError, OptionError, UnitsError, one_line
from trifuse.core.files import check_place, publish
from trifuse.core.image import Image, Modality
from trifuse.io import arrays, formats, ranges
from trifuse.io.arrays import Levels
from trifuse.io.formats import Bits
from trifuse.io.guard import guarded
from trifuse.io.ranges import Ends
from trifuse.io.request import Frame, Request, Units, memory_limit


def to_image(source: Any, *, range: Ends | None = None) -> Image:
    """Image from an `Image`, an object with one as `.image`, a path, or an object in memory; see `Image.of`.

    Raises:
        InputError: if it is none of these or cannot be read.
        OptionError: if `range` is none.
    """
    return to_images([source], range=range)[0]


def to_images(sources: Sequence[Any], *, range: Ends | None = None, labels: Sequence[str] = ()) -> list[Image]:
    """Images that belong together: arrays that do not tell the range of their grey levels take that of the others.

    Args:
        sources: each as for `Image.of`.
        range: the values that are black and white in all arrays among them.
        labels: their names for warnings, "source 1", "source 2", ... if not given.

    Raises:
        InputError: if one is no image or cannot be read.
        OptionError: if `range` is none.
    """
    known = ranges.given(range)
    held = [_held(source) for source in sources]
    found = [ranges.Range(one.window, _is_sure(one)) if isinstance(one, Image) else known or one.own for one in held]
    images = []
    for index, one in enumerate(held):
        if isinstance(one, Image):
            images.append(one)
            continue
        label = labels[index] if labels else f"source {index + 1}" if len(held) > 1 else one.origin
        others = [other for place, other in enumerate(found) if place != index]
        images.append(one.image(ranges.among(found[index], one.values, others, label)))
    return images


def _held(source: Any) -> Image | Levels:
    held = getattr(source, "image", source)
    if isinstance(held, Image):
        return held
    return read(source) if isinstance(source, (str, Path)) else arrays.to_image(source)


def _is_sure(image: Image) -> bool:
    """Whether an image's window is the range of its grey levels, and not that of one scan."""
    return image.window == (0.0, 1.0) or (image.stored is not None and image.stored.dtype in (np.uint8, np.uint16))


def read(
    path: str | Path,
    *,
    frame: Frame = None,
    limit: int | None = None,
    units: Units = "native",
    series: str | int | None = None,
    allow_gaps: bool = False,
    shared: tuple[str, ...] = (),
) -> Image:
    """Reads an image file, or a DICOM series in a folder.

    Args:
        path: PNG, JPEG, BMP, GIF, TIFF, NIfTI or DICOM file, known by its content; a folder with a DICOM series, or
            with folders of them; a DICOMDIR.
        frame: which frame of a file or series with several (4D NIfTI, dynamic DICOM series, TIFF pages, animations),
            from 0, or "mean" for their average: of dynamic PET weighted by the frames' durations where they are known.
        limit: most bytes that the pixels may take as float32; the environment variable TRIFUSE_MAX_BYTES or 2 GiB
            if not given. The header is checked before anything is decoded.
        units: "suv" turns PET from DICOM into SUVbw (see `trifuse.io.dicom.suv`) and leaves other images alone;
            "native" keeps all numbers.
        series: which DICOM series of several: its number, UID, description or modality ("CT"); "5/2" for the second
            file of series 5, where its files form no volume.
        allow_gaps: resample DICOM slices at uneven distances onto even ones; they are refused otherwise.
        shared: which of "frame" and "series" were meant for whichever of several sources has something to choose from:
            `NothingToChooseError` from one that has not (see `trifuse.io.many`).

    Raises:
        ChoiceError: if it holds several series and none is chosen; its `table` lists them.
        InputError: if it is missing, unreadable, damaged, too large, of no known kind, or holds several images.
        UnitsError: if SUV are asked for and the header of a PET does not allow them.
        OptionError: if `frame`, `limit` or `units` means nothing.
    """
    if not (frame is None or frame == "mean" or (isinstance(frame, int) and not isinstance(frame, bool))):
        raise OptionError(f"frame={frame!r} chooses nothing; give a number from 0, or 'mean'")
    if units not in get_args(Units):
        raise OptionError(f"units={units!r} is not known; choose {', '.join(get_args(Units))}")
    path = Path(path)
    request = Request(
        origin=one_line(path),
        path=path,
        frame=frame,
        limit=memory_limit(limit),
        units=units,
        series=None if series is None else str(series),
        allow_gaps=allow_gaps,
        shared=shared,
    )
    found = formats.of_folder() if _is_folder(path) else formats.of_file(path, request.origin)
    if series is not None and not found.series:
        message = f"{request.origin}: {found.title} has no series; series= chooses among those of a DICOM folder"
        raise NothingToChooseError(message, "series")
    with guarded(request.origin, found.title):
        image = found.read(request)
    if units == "suv" and not found.suv and image.modality is Modality.PET and image.units != "SUV":
        raise UnitsError(
            f"{request.origin}: {found.title} keeps neither dose nor weight, which SUV need; give the DICOM series, "
            "or read it in its own units"
        )
    return image


def write(
    image: Image,
    path: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    bits: Bits | None = None,
    keep_patient: str | Path | None = None,
) -> Path:
    """Writes an image in the format of the suffix, whole or not at all; missing folders are made.

    Pictures hold display values, rounded half up; NIfTI and DICOM hold native values and geometry. A volume goes
    into NIfTI, one multi-frame DICOM file (.dcm), or a new folder with a DICOM series (a name without suffix).

    Args:
        path: name ending in .png, .jpg, .bmp, .tif, .nii, .nii.gz or .dcm; without suffix, a folder.
        provenance: written beside it as JSON under the full name plus `.json`.
        bits: bits per value where the format offers a choice: PNG 8 or 16, TIFF 8, 16 or 32 (float).
        keep_patient: DICOM only: file or folder whose patient and study the new object joins.

    Returns:
        The path.

    Raises:
        InputError: if the format cannot hold the image, or the place cannot be written to.
        OptionError: if the suffix names no format, or the format lacks an option.
    """
    path = Path(path)
    found = formats.for_name(path)
    check_writable(path, dims=image.dims, keep_patient=keep_patient, bits=bits)
    depth = found.depths[0] if bits is None else bits
    encode = found.write
    assert encode is not None  # `for_name` finds no other
    return publish(path, lambda draft: encode(image, draft, formats.Output(depth, keep_patient)), provenance)


def check_writable(
    path: str | Path, *, dims: int | None = None, keep_patient: str | Path | None = None, bits: int | None = None
) -> None:
    """Raises early, before hours of work, what `write` would raise about a name and its place.

    Args:
        path: as for `write`.
        dims: 2 for a picture, 3 for a volume, None if not known yet.
        keep_patient, bits: as for `write`.

    Raises:
        InputError: if the format cannot hold the image, or the place cannot be written to.
        OptionError: if the suffix names no format, or the format lacks an option.
    """
    path = Path(path)
    found = formats.for_name(path)
    if bits is not None and bits not in found.depths:
        offered = " or ".join(map(str, found.depths))
        raise OptionError(f"{one_line(path)}: {found.title} is not written with {bits} bits; choose {offered} bits")
    if keep_patient is not None and not found.patient:
        raise OptionError(f"{one_line(path)}: only DICOM keeps patient data; choose a name ending in .dcm")
    if keep_patient is not None and not Path(keep_patient).exists():
        raise InputError(f"{one_line(keep_patient)}: there is no such file or folder, whose patient should be kept")
    if found.folder and dims == 2:
        raise OptionError(f"{one_line(path)}: a folder is for the slices of a volume; give this image a name in .dcm")
    if dims not in (None, *found.dims):
        raise InputError(
            f"{one_line(path)}: a volume does not fit into a {found.title} picture; "
            "save it as .nii.gz or .dcm, or save one slice"
        )
    check_place(path)


def depths(path: str | Path) -> tuple[Bits, ...]:
    """The bits per value that the format of a name offers, the default first.

    Raises:
        OptionError: if the suffix names no format.
    """
    return formats.for_name(Path(path)).depths


def most_bits(path: str | Path) -> Bits:
    """The most bits per value that the format of a name offers, for maps whose small differences matter.

    Raises:
        OptionError: if the suffix names no format.
    """
    return depths(path)[-1]


def keeps_units(path: str | Path) -> bool:
    """Whether the format of a name keeps native units and the window they are shown in; else it holds display values.

    Raises:
        OptionError: if the suffix names no format.
    """
    return formats.for_name(Path(path)).units


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False  # the formats then say what is wrong with the path
