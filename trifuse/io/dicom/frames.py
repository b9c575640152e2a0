"""The data set of one DICOM file, and the native values of its frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.io.dicom.codec import check_layout, check_syntax
from trifuse.io.dicom.values import rescaled
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED = b"1.2.840.10008.1.2.1.99"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def load(path: Path, request: Request) -> Dataset:
    """Data set of a file, with large values left on disk until they are used.

    Raises:
        InputError: if it is deflated and unpacks beyond the memory limit.
    """
    import pydicom

    _check_deflated(path, request)
    dataset = pydicom.dcmread(path, force=True, defer_size=2**16)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian if implicit else explicit
    return dataset


def is_image(dataset: Dataset) -> bool:
    """Whether a data set holds pixels."""
    return "Rows" in dataset and "Columns" in dataset and any(name in dataset for name in PIXELS)


def frame_count(dataset: Dataset) -> int:
    """Number of frames, 1 where the attribute is missing."""
    return int(dataset.get("NumberOfFrames") or 1)


def check_pixels(dataset: Dataset, request: Request) -> None:
    """Refuses sizes beyond the limit, and pixel data of other size than the header announces.

    Raises:
        InputError: in these cases.
    """
    samples, count = int(dataset.get("SamplesPerPixel") or 1), frame_count(dataset)
    shape = (count, int(dataset.Rows), int(dataset.Columns), samples)
    request.check_size(shape, 4 + int(dataset.get("BitsAllocated") or 8) / 8 + 8)
    if "PixelData" not in dataset:
        return
    check_layout(dataset, request.origin)
    if is_encapsulated(dataset):
        check_syntax(dataset, request.origin)
        _check_fragments(dataset.PixelData, count, request)
        return
    subsampled = 2 / 3 if dataset.get("PhotometricInterpretation") == "YBR_FULL_422" else 1
    row = shape[2] * samples * int(dataset.BitsAllocated) * subsampled / 8
    needed = int(np.prod(shape, dtype=np.int64) * int(dataset.BitsAllocated) * subsampled) // 8
    found = len(dataset.PixelData)
    if found < needed:
        raise InputError(
            f"{request.origin}: truncated: {found} bytes of pixels where the header announces {needed}; copy it anew"
        )
    if found - needed >= max(2, row):
        raise InputError(
            f"{request.origin}: its header announces {shape[1]} rows of {shape[2]} pixels in {count} frame(s), "
            f"{needed} bytes, but the file holds {found}: part of the image would be lost; mend Rows, or export it anew"
        )


def is_encapsulated(dataset: Dataset) -> bool:
    """Whether pixels lie in compressed pieces; those of transfer syntaxes that are not known do."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return not syntax.is_transfer_syntax or bool(syntax.is_encapsulated)


def _check_fragments(pixels: bytes, count: int, request: Request) -> None:
    """Refuses compressed data that are cut into fewer pieces than there are frames, before any frame is looked at."""
    place, pieces = 0, -1  # the first item is the table of offsets
    while place + 8 <= len(pixels) and pieces < count:
        tag, length = pixels[place : place + 4], int.from_bytes(pixels[place + 4 : place + 8], "little")
        if tag != b"\xfe\xff\x00\xe0" or length > len(pixels):
            break
        pieces, place = pieces + 1, place + 8 + length
    if pieces < count:
        raise InputError(
            f"{request.origin}: truncated or damaged: {max(pieces, 0)} pieces of pixels where the header announces "
            f"{count} frame(s); copy it anew"
        )


def native_values(stored: NDArray[Any], dataset: Dataset, header: Dataset) -> NDArray[Any]:
    """Channel-first native values `(C, rows, columns)` of one decoded frame: rescaled grey, or RGB.

    Pixels that the header calls padding are masked.
    """
    from pydicom.pixels import apply_color_lut

    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)[..., :3]
    elif stored.ndim == 2:
        values, padding = rescaled(stored, header)[None], _padding(stored, header)
        return values if padding is None else np.ma.MaskedArray(values, padding[None])
    return np.moveaxis(stored, -1, 0)


def _padding(stored: NDArray[Any], header: Dataset) -> NDArray[np.bool_] | None:
    """Where stored values are padding (DICOM PS3.3 C.7.5.1.1.2); None where nothing is."""
    if stored.dtype.kind not in "iu" or header.get("PixelPaddingValue") is None:
        return None
    bits, ends = 8 * stored.dtype.itemsize, []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = header.get(keyword)
        if isinstance(value, bytes):
            value = int.from_bytes(value, "little")
        if isinstance(value, int):
            value %= 2**bits  # some write it with the other sign
            ends.append(value - 2**bits if stored.dtype.kind == "i" and value >= 2 ** (bits - 1) else value)
    if not ends:
        return None
    found = (stored >= min(ends)) & (stored <= max(ends))
    return found if found.any() else None


def _check_deflated(path: Path, request: Request) -> None:
    """A deflated data set is unpacked piece by piece and thrown away, to see that it is no bomb."""
    import zlib

    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as stream:
        if _DEFLATED not in stream.read(1024):
            return
        stream.seek(132 + 12 + int(read_file_meta_info(path).FileMetaInformationGroupLength))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        total, rest = 0, stream.read()
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, 2**20))
        rest = inflater.unconsumed_tail
        if total > request.limit:
            raise InputError(
                f"{request.origin}: unpacks to more than the limit of {request.limit} bytes; raise it with limit="
            )
