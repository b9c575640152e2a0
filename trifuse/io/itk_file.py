"""Files that SimpleITK reads and writes with their geometry: what NRRD and MetaImage have in common.

ITK keeps to its own convention (left, back, up) and turns files of another one to it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image, Modality, guess_modality
from trifuse.io.arrays import itk_affine, to_itk
from trifuse.io.display import grey_if_equal, is_ct, over_black, scan_view
from trifuse.io.guard import mute
from trifuse.io.request import Request

WINDOW_KEY = "trifuse_window"
"""Entry of the headers we write: the two ends of the window, so that it survives."""

_BLOCK = 2**20


def read_with(request: Request, reader_name: str, *, modality: Modality = Modality.OTHER) -> Image:
    """Image of a file through the named reader of SimpleITK; colour where three or four channels have 8 or 16 bits.

    Axes beyond the third, and other channels, are frames, of which `request` chooses.

    Raises:
        InputError: if it is too large, complex, or has no rows and columns, or holds several frames and none is chosen.
    """
    with _opened(request.path, reader_name) as reader:
        size, channels = [int(n) for n in reader.GetSize()], int(reader.GetNumberOfComponents())
        own_window = _own_window(reader)
        request.check_size((*size, channels))
        held = reader.Execute()
    import SimpleITK

    values = SimpleITK.GetArrayFromImage(held)  # (frames, z, y, x, channels), as far as there are such axes
    if values.dtype.kind == "c":
        raise InputError(f"{request.origin}: holds complex numbers; save their magnitude first")
    dims = min(len(size), 3)
    colour = channels in (3, 4) and values.dtype in (np.uint8, np.uint16)
    pictures, notes = _frames(values, dims, channels, colour, request)
    affine = itk_affine(held, dims)
    pictures = grey_if_equal(pictures.swapaxes(1, 3) if dims == 3 else pictures)
    made_by = modality if modality is not Modality.OTHER else guess_modality(request.path)
    window, units = (0.0, 255.0 if pictures.dtype == np.uint8 else 65535.0), ""
    if not colour:
        made_by, window, seen = scan_view(pictures, made_by, request.origin)
        units = "HU" if made_by is Modality.CT and is_ct(pictures) else ""
        window, seen = (own_window, "") if own_window is not None else (window, seen)
        notes += (seen,) if seen else ()
    return Image.from_native(
        pictures, affine=affine, modality=made_by, window=window, origin=request.origin, notes=notes, units=units
    )


def write_with(image: Image, path: Path, writer_name: str) -> None:
    """Writes native values (float32, colour 8 bits) with geometry and window, packed."""
    import SimpleITK

    held = to_itk(image)
    if image.channels == 1:
        held.SetMetaData(WINDOW_KEY, f"{image.window[0]!r} {image.window[1]!r}")
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO(writer_name)
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.Execute(held)


def check_below(named: str | None, request: Request) -> None:
    """Refuses a header whose values are said to lie outside of its folder, where a stranger could have meant any file.

    Raises:
        InputError: if they are.
    """
    if named is None:
        return
    folder = request.path.parent.resolve()
    if not (folder / named).resolve().is_relative_to(folder):
        raise InputError(
            f"{request.origin}: its values are said to lie in {one_line(named[:100])}, outside of its folder; move "
            "them beside the header and mend their name in it"
        )


def check_stream(path: Path, offset: int, expected: int, request: Request, *, wrapping: int) -> None:
    """Unpacks a deflated stream piece by piece, to see that it is whole: ITK does not look at the checksums.

    Args:
        path: file that holds it.
        offset: where it begins.
        expected: bytes that it must give.
        wrapping: as for `zlib.decompressobj`: 31 for gzip, 15 for zlib.

    Raises:
        InputError: if it is damaged, or gives fewer or many more bytes.
    """
    inflater, found = zlib.decompressobj(wrapping), 0
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            while not inflater.eof and (block := inflater.unconsumed_tail or stream.read(_BLOCK)):
                found += len(inflater.decompress(block, _BLOCK))
                if found > expected:
                    break
    except zlib.error as error:
        raise InputError(f"{request.origin}: its compression is damaged ({error}); copy or export it anew") from error
    if found != expected or not inflater.eof:
        raise InputError(
            f"{request.origin}: damaged: unpacks to {found} bytes where its header announces {expected}; copy it anew"
        )


def _frames(
    values: NDArray[Any], dims: int, channels: int, colour: bool, request: Request
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Channel-first values of the chosen frame, spatial axes reversed, or the mean of all; and notes."""
    values = values[..., None] if channels == 1 else values
    spatial = values.shape[-dims - 1 : -1]
    if colour:
        stack = np.moveaxis(values, -1, -dims - 1).reshape(-1, channels, *spatial)
    else:  # components vary fastest among the frames
        stack = np.moveaxis(values, -1, -dims - 1).reshape(-1, 1, *spatial)
    chosen = request.choose(len(stack), "frames")
    picked = stack[chosen[0]] if len(chosen) == 1 else stack.mean(axis=0, dtype=np.float64)
    notes: tuple[str, ...] = (f"mean of {len(chosen)} frames",) if len(chosen) > 1 else ()
    if colour and channels == 4:
        picked, laid = over_black(picked[:3], picked[3])
        notes += laid
    return picked, notes


def _own_window(reader: Any) -> tuple[float, float] | None:
    """The window that we wrote, if the file is ours."""
    if not reader.HasMetaDataKey(WINDOW_KEY):
        return None
    try:
        low, high = (float(end) for end in reader.GetMetaData(WINDOW_KEY).split())
    except ValueError:
        return None
    return (low, high) if np.isfinite([low, high]).all() and low != high else None


@contextmanager
def _opened(path: Path, reader_name: str) -> Iterator[Any]:
    """A reader that has read the header; ITK and its libraries write nothing on the terminal meanwhile."""
    import SimpleITK

    loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO(reader_name)
        reader.SetFileName(str(path))
        with mute():
            reader.ReadImageInformation()
            yield reader
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)
