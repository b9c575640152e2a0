"""One DICOM file: a slice, a picture, or the frames of a multi-frame or enhanced object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.io.dicom import header as headers
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


def check_pixels(dataset: Dataset, count: int, request: Request) -> None:
    """Refuses sizes beyond the limit, and uncompressed pixel data shorter than the header announces.

    Raises:
        InputError: in these cases.
    """
    samples = int(dataset.get("SamplesPerPixel") or 1)
    shape = (count, int(dataset.Rows), int(dataset.Columns), samples)
    request.check_size(shape)
    if "PixelData" not in dataset or dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    subsampled = 2 / 3 if dataset.get("PhotometricInterpretation") == "YBR_FULL_422" else 1
    needed = int(np.prod(shape, dtype=np.int64) * int(dataset.BitsAllocated) * subsampled) // 8
    found = len(dataset.PixelData)
    if found < needed:
        raise InputError(
            f"{request.origin}: truncated: {found} bytes of pixels where the header announces {needed}; copy it anew"
        )


def native_values(stored: NDArray[Any], dataset: Dataset, header: Dataset) -> NDArray[Any]:
    """Channel-first native values `(C, rows, columns)` of one decoded frame: rescaled grey, or RGB."""
    from pydicom.pixels import apply_color_lut

    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)[..., :3]
    elif stored.ndim == 2:
        return headers.rescaled(stored, header)[None]
    return np.moveaxis(stored, -1, 0)


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
