"""TIFF through tifffile, which keeps 16-bit colour; what it cannot unpack goes through Pillow or SimpleITK."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.core.image import Image
from trifuse.io.display import levels, over_black
from trifuse.io.formats import Format
from trifuse.io.guard import guarded, mute, quiet
from trifuse.io.picture import Values, as_image, averaged, itk_values, pillow_values, upright
from trifuse.io.request import OF_PICTURES, Request

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)
_UNSPECIFIED, _ASSOCIATED_ALPHA = 0, 1


def read(request: Request) -> Image:
    """TIFF as an image with the file's own values: 8, 16 and 32 bits, grey, palette, RGB(A), integer or float.

    White-is-zero pictures keep their values and get a reversed window. Several pages need `frame`; smaller copies
    of a page and masks are not counted.

    Raises:
        InputError: if it is damaged, too large, compressed in an unknown way, or holds several pages.
    """
    import tifffile

    with guarded(request.origin, "TIFF"), tifffile.TiffFile(request.path) as tiff:
        _check_chain(tiff, request)
        pages = [(number, page) for number, page in enumerate(tiff.pages) if not _is_extra(page)]
        chosen = [pages[index] for index in request.choose(len(pages), "pages")]
        if not chosen:
            raise InputError(f"{request.origin}: this TIFF holds no page; copy or export it anew")
        frames = []
        notes: tuple[str, ...] = ()
        for number, page in chosen:
            request.check_size(page.shape, 4 + 2 * max(1, page.bitspersample // 8), OF_PICTURES)
            absent = _absent_pieces(page, tiff.filehandle.size, request)
            values, notes = _page_values(page, number, request)
            frames.append(values)
            notes += absent
        _check_alike(frames, request)
        first = chosen[0][1]
    return as_image(averaged(frames), request, notes, inverted=first.photometric == _WHITE_IS_ZERO)


def write(image: Image, path: Path, bits: int) -> None:
    """Writes the display values of a 2D image as TIFF of 8 or 16 bits (rounded half up) or 32 (float32 as they are)."""
    import tifffile

    values = image.pixels if bits == 32 else levels(image.pixels, bits)
    grey = image.channels == 1
    tifffile.imwrite(
        path,
        values[0] if grey else np.ascontiguousarray(np.moveaxis(values, 0, -1)),
        photometric="minisblack" if grey else "rgb",
        software="trifuse",
        metadata=None,
    )


def _check_chain(tiff: TiffFile, request: Request) -> None:
    """Every page names the place of the next: a damaged file can lead in circles, which tifffile would follow."""
    layout, stream = tiff.tiff, tiff.filehandle
    offset, seen = int(tiff.pages.first.offset), set()
    while 0 < offset < stream.size:
        if offset in seen:
            raise InputError(f"{request.origin}: damaged: its pages lead in circles; copy or export it anew")
        seen.add(offset)
        stream.seek(offset)
        tags = struct.unpack(layout.tagnoformat, stream.read(layout.tagnosize))[0]
        stream.seek(offset + layout.tagnosize + tags * layout.tagsize)
        offset = int(struct.unpack(layout.offsetformat, stream.read(layout.offsetsize))[0])


def _absent_pieces(page: TiffPage, held: int, request: Request) -> tuple[str, ...]:
    """Refuses pages most of whose strips or tiles are not in the file, before memory is taken; notes a few."""
    wanted = math.prod(page.chunked)
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    there = sum(0 < place < held and size > 0 for place, size in places)
    if 2 * there < wanted:
        raise InputError(
            f"{request.origin}: damaged or unfinished: holds {there} of the {wanted} strips or tiles it announces; "
            "copy or export it anew"
        )
    return (f"{wanted - there} of {wanted} strips or tiles are not there: shown as 0",) if there < wanted else ()


def _check_alike(frames: Sequence[NDArray[Any]], request: Request) -> None:
    sizes = {frame.shape: " x ".join(map(str, frame.shape[1:])) for frame in frames}
    if len(sizes) > 1:
        raise InputError(
            f"{request.origin}: its pages differ in size or colour ({', '.join(sizes.values())}), so that they have no "
            "mean; choose one with --frame 0, 1, ... (frame= in Python)"
        )


def _is_extra(page: TiffPage) -> bool:
    """Whether a page is a smaller copy (bit 0 of NewSubfileType) or a mask (bit 2) of another one."""
    return bool(int(page.subfiletype) & 0b101)


def _page_values(page: TiffPage, number: int, request: Request) -> Values:
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE):
        return _through_pillow(page, number, request)
    try:
        with quiet():
            stored = page.asarray()
    except Exception:
        # tifffile lacks the decoder (LZW and JPEG need an extra package), or the data are damaged: the second
        # library settles which.
        return _otherwise(page, number, request)
    values, notes = _channels(page, _channel_first(page, stored, request))
    mark = page.tags.get("Orientation")
    return upright(values, int(mark.value) if mark is not None else 1), notes


def _channel_first(page: TiffPage, stored: NDArray[Any], request: Request) -> NDArray[Any]:
    axes = page.axes
    if axes not in ("YX", "YXS", "SYX"):
        raise InputError(
            f"{request.origin}: a TIFF page of shape {page.shape} ({axes}) is no picture; save it as NIfTI"
        )
    if stored.dtype == np.bool_:
        stored = stored.astype(np.uint8) * 255
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return {"YX": stored[None], "YXS": np.moveaxis(stored, -1, 0), "SYX": stored}[axes[:3]]


def _channels(page: TiffPage, values: NDArray[Any]) -> Values:
    """Palette resolved, alpha laid over black, other extra channels left out."""
    if page.photometric == _PALETTE:
        table = np.asarray(page.colormap)
        if int(table.max()) > 255:
            table = table >> 8
        return table.astype(np.uint8)[:, values[0]], ()
    extra = tuple(int(mark) for mark in page.extrasamples)
    named = 3 if page.photometric == _RGB and len(values) >= 3 else 1
    if len(values) > named and len(values) - len(extra) != named:
        # Channels that no tag names (ITK), or a tag that names more of them than there are.
        return values[:named], ("unnamed extra channels left out",)
    if not extra or len(values) <= named:
        return values, ()
    colours, alpha = values[: -len(extra)], values[-len(extra)]
    if extra[0] == _UNSPECIFIED:
        return colours, ("unnamed extra channels left out",)
    if extra[0] == _ASSOCIATED_ALPHA:  # already multiplied by opacity
        return colours, () if int(alpha.min()) == np.iinfo(alpha.dtype).max else ("transparent pixels laid over black",)
    return over_black(colours, alpha)


def _otherwise(page: TiffPage, number: int, request: Request) -> Values:
    deep_colour = page.bitspersample == 16 and page.samplesperpixel > 1
    if not deep_colour:
        return _through_pillow(page, number, request)
    if number > 0:
        raise InputError(
            f"{request.origin}: page {number} of 16-bit colour in {page.compression.name} compression cannot be "
            "unpacked; save it uncompressed"
        )
    values, notes = itk_values(request.path, "TIFFImageIO")
    if values.dtype != np.uint16:
        raise InputError(f"{request.origin}: this 16-bit TIFF cannot be unpacked without loss; save it uncompressed")
    return values, notes


def _through_pillow(page: TiffPage, number: int, request: Request) -> Values:
    from PIL import Image as Pillow

    with mute(), Pillow.open(request.path, formats=["TIFF"]) as picture:
        picture.seek(number)
        picture.load()
        if page.bitspersample > 8 and picture.mode not in ("I", "I;16", "I;16B", "F"):
            raise InputError(
                f"{request.origin}: this {page.bitspersample}-bit TIFF cannot be unpacked without loss; "
                "save it uncompressed"
            )
        return pillow_values(picture)


TIFF = Format(
    kind="tiff",
    title="TIFF",
    suffixes=(".tif", ".tiff"),
    recognised=lambda head: not head.packed and head.start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    read=lambda request: read(request),
    write=lambda image, path, output: write(image, path, output.bits),
    depths=(8, 16, 32),
)
