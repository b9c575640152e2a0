"""Decoding of DICOM pixel data: pydicom where it has a decoder, else GDCM through SimpleITK.

JPEG lossless, JPEG-LS and JPEG of 12 bits are common in archives, and pydicom needs further packages for them that
SimpleITK brings.
"""

from __future__ import annotations

import re
import struct
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.io.guard import mute

if TYPE_CHECKING:
    from pydicom import Dataset


_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
"""High-throughput JPEG 2000: pydicom leaves it to a further package, but OpenJPEG within Pillow decodes it."""

_GDCM = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91))
"""JPEG, JPEG-LS and JPEG 2000, which GDCM decodes."""


def decoded(dataset: Dataset, index: int | None, origin: str) -> NDArray[Any]:
    """Stored values of frame `index`, `(rows, columns)` or `(rows, columns, 3)` in RGB; of all, stacked, if None.

    Raises:
        InputError: if nothing here can decode the transfer syntax.
    """
    from pydicom.pixels import get_decoder, pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_transfer_syntax and not syntax.is_encapsulated:
        shift = _left_aligned(dataset)
        if shift:
            return _pydicom(pixel_array, _with_all_bits(dataset), index) >> shift
        return _pydicom(pixel_array, dataset, index)
    _check_frames(dataset, index, origin)
    known = _as_jpeg_2000(dataset) if syntax in _HTJ2K else dataset
    if _has_decoder(get_decoder, known.file_meta.TransferSyntaxUID):
        try:
            return _pydicom(pixel_array, known, index)
        except _TooManyRowsError:
            raise InputError(
                f"{origin}: its compressed pixels hold more rows than the {int(dataset.Rows)} that its header "
                "announces: part of the image would be lost; mend Rows, or export it anew"
            ) from None
        except Exception:
            # Pillow has no JPEG of 12 bits, for one, and says so in ways of its own.
            if syntax not in (*_GDCM, *_HTJ2K):
                raise
    if syntax not in _GDCM:
        raise _unknown(syntax, origin)
    return _through_gdcm(dataset, index, origin)


def check_syntax(dataset: Dataset, origin: str) -> None:
    """Refuses compressed pixels that nothing here decodes, by the name of their compression.

    Raises:
        InputError: if so.
    """
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (*_GDCM, *_HTJ2K) and not _has_decoder(get_decoder, syntax):
        raise _unknown(syntax, origin)


def _unknown(syntax: Any, origin: str) -> InputError:
    return InputError(
        f"{origin}: its pixels are compressed as {one_line(syntax.name)}, which cannot be decoded here; "
        "export it uncompressed"
    )


def check_layout(dataset: Dataset, origin: str) -> None:
    """Refuses pixels of a size that does not exist.

    Raises:
        InputError: if so.
    """
    allocated = dataset.get("BitsAllocated")
    if allocated is not None and allocated not in (1, 8, 16, 32, 64):
        raise InputError(
            f"{origin}: its header announces pixels of {allocated} bits (BitsAllocated), of which there are none; "
            "export it anew"
        )


def _left_aligned(dataset: Dataset) -> int:
    """By how many bits values lie above the lowest, as old exporters have it; 0 where HighBit is merely wrong."""
    stored, high = (int(dataset.get(name) or 0) for name in ("BitsStored", "HighBit"))
    shift = high + 1 - stored
    if dataset.get("BitsAllocated") != 16 or not 0 < shift < 16 or not stored or "PixelData" not in dataset:
        return 0
    raw = np.frombuffer(dataset.PixelData[: len(dataset.PixelData) // 2 * 2], np.uint16)
    raw = raw if dataset.file_meta.TransferSyntaxUID.is_little_endian else raw.byteswap()
    return shift if not (raw & (2**shift - 1)).any() and (raw >> stored).any() else 0


def _with_all_bits(dataset: Dataset) -> Dataset:
    """The same object as if all bits of its pixels were stored."""
    from pydicom import Dataset as Whole

    whole = Whole(dataset)
    whole.file_meta = dataset.file_meta
    whole.BitsStored, whole.HighBit = dataset.BitsAllocated, int(dataset.BitsAllocated) - 1
    return whole


def _pydicom(pixel_array: Any, dataset: Dataset, index: int | None) -> NDArray[Any]:
    """Values by pydicom.

    Raises:
        _TooManyRowsError: if run lengths hold rows that the header does not announce, which pydicom cuts off.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        several = int(dataset.get("NumberOfFrames") or 1) > 1
        values: NDArray[Any] = pixel_array(dataset, index=index if several else None)
    for warning in said:
        lengths = re.search(r"padding - (\d+) vs\. (\d+) bytes", str(warning.message))
        if lengths and int(lengths[1]) - int(lengths[2]) >= int(dataset.Columns):
            raise _TooManyRowsError
    return values


class _TooManyRowsError(Exception):
    """Compressed pixels hold more rows than the header announces."""


def _as_jpeg_2000(dataset: Dataset) -> Dataset:
    """The same object under the name of plain JPEG 2000, whose streams the same decoder takes."""
    from pydicom import Dataset as Named
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import JPEG2000

    named = Named(dataset)
    named.file_meta = FileMetaDataset()
    named.file_meta.TransferSyntaxUID = JPEG2000
    return named


def _has_decoder(get_decoder: Any, syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _copy_layout(dataset: Dataset, bare: Dataset, origin: str) -> None:
    """Bits and colours, once they make sense: GDCM trusts them blindly. Grey is grey, whatever its display."""
    samples, allocated = int(dataset.get("SamplesPerPixel") or 1), int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    colours = "MONOCHROME2" if samples == 1 else str(dataset.PhotometricInterpretation)
    known = ("MONOCHROME2",) if samples == 1 else ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
    if samples not in (1, 3) or allocated not in (8, 16, 32) or not 0 < stored <= allocated or colours not in known:
        raise InputError(f"{origin}: damaged: its header announces an impossible pixel layout; copy or export it anew")
    bare.SamplesPerPixel, bare.PhotometricInterpretation = samples, colours
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = allocated, stored, stored - 1
    bare.PixelRepresentation = int(dataset.get("PixelRepresentation") or 0) & 1
    if samples == 3:
        bare.PlanarConfiguration = int(dataset.get("PlanarConfiguration") or 0) & 1


def _check_frames(dataset: Dataset, index: int | None, origin: str) -> None:
    """Refuses streams that say of themselves that they hold more pixels than the object announces.

    Decoders believe the stream: a few bytes in an object of 8 x 8 pixels would take gigabytes.
    """
    from pydicom.encaps import generate_frames, get_frame

    count = int(dataset.get("NumberOfFrames") or 1)
    pixels = dataset.PixelData
    whole = index is None or count == 1
    frames = (
        generate_frames(pixels, number_of_frames=count) if whole else [get_frame(pixels, index, number_of_frames=count)]
    )
    announced = int(dataset.Rows) * int(dataset.Columns)
    for frame in frames:
        own = _announced(frame)
        if own is not None and own.rows * own.columns > announced:
            raise InputError(
                f"{origin}: damaged: its compressed pixels are {own.rows} x {own.columns} where its header announces "
                f"{int(dataset.Rows)} x {int(dataset.Columns)}; copy or export it anew"
            )


class _Stream(NamedTuple):
    """What a compressed stream says of itself; the precision of JPEG 2000 is not looked at."""

    rows: int
    columns: int
    samples: int
    precision: int | None


def _is_sound(frame: bytes, size: tuple[int, int, int], allocated: int) -> bool:
    """Whether the frame header of a JPEG, JPEG-LS or JPEG 2000 stream agrees with the object.

    GDCM finds no decoder for a precision that does not exist, and goes on without one.
    """
    own = _announced(frame)
    return own is not None and own[:3] == size and (own.precision is None or 2 <= own.precision <= allocated)


def _announced(frame: bytes) -> _Stream | None:
    """The frame header of a JPEG, JPEG-LS or JPEG 2000 stream; None of others.

    Sources: ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1.
    """
    if b"\xff\x4f\xff\x51" in frame[:256] and frame[:2] != b"\xff\xd8":
        width, height, left, top = struct.unpack_from(">4I", frame.ljust(512, b"\0"), frame.index(b"\xff\x51") + 6)
        samples = int.from_bytes(frame[frame.index(b"\xff\x51") + 38 :][:2])
        return _Stream(height - top, width - left, samples, None)
    place = 2
    while frame[:2] == b"\xff\xd8" and place + 10 <= len(frame) and frame[place] == 0xFF:
        marker, length = frame[place + 1], int.from_bytes(frame[place + 2 : place + 4])
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, place + 4)
            return _Stream(rows, columns, samples, precision)
        place += 2 + length
    return None


def _through_gdcm(dataset: Dataset, index: int | None, origin: str) -> NDArray[Any]:
    """As `decoded`, from a bare copy without rescaling, which GDCM would apply.

    The frames are taken apart and put together again by pydicom, which refuses what is damaged between them: GDCM
    would search on for ever.
    """
    import SimpleITK
    from pydicom import Dataset as Bare
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate, generate_frames
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    count, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
    if len(frames) != count:
        raise InputError(f"{origin}: truncated: {len(frames)} frames where its header announces {count}; copy it anew")
    chosen = frames if index is None else [frames[index]]
    bare = Bare()
    bare.Rows, bare.Columns, bare.NumberOfFrames = int(dataset.Rows), int(dataset.Columns), len(chosen)
    _copy_layout(dataset, bare, origin)
    size = (bare.Rows, bare.Columns, bare.SamplesPerPixel)
    if not all(_is_sound(frame, size, bare.BitsAllocated) for frame in chosen):
        raise InputError(
            f"{origin}: damaged: its compressed frames do not agree with its header; copy or export it anew"
        )
    bare.PixelData = encapsulate(chosen)
    bare["PixelData"].is_undefined_length = True
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.file_meta = FileMetaDataset()  # that of the file may hold what makes GDCM lose its way
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.dcm"
        bare.save_as(path, enforce_file_format=False)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            with mute():
                values = SimpleITK.GetArrayFromImage(reader.Execute())
        except RuntimeError as error:
            raise InputError(
                f"{origin}: its pixels, compressed as {dataset.file_meta.TransferSyntaxUID.name}, cannot be decoded: "
                "they are damaged, or of a variant that is not known here; export it uncompressed"
            ) from error
        finally:
            SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)
    plane = (int(dataset.Rows), int(dataset.Columns), *((samples,) if samples > 1 else ()))
    return np.ascontiguousarray(values).reshape(plane if index is not None else (count, *plane))
