"""PNG, JPEG, BMP and GIF, through Pillow; PNG with 16-bit colour, which Pillow would cut to 8, through SimpleITK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, brief
from trifuse.core.image import Image, Modality, guess_modality
from trifuse.io.depth import series_depth
from trifuse.io.display import CT_NOTE, grey_if_equal, levels, over_black
from trifuse.io.formats import Bits, Format
from trifuse.io.guard import guarded, mute
from trifuse.io.ranges import among, told
from trifuse.io.request import LIMIT_VARIABLE, OF_PICTURES, Request

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Values = tuple[NDArray[Any], tuple[str, ...]]
"""Channel-first values, and notes on how they were got."""

_ORIENTATION = 0x0112


def read(request: Request, kind: str) -> Image:
    """Picture file as an image with the file's own grey levels or colours as native values.

    Transparent pixels are laid over black (noted); a camera's orientation mark is obeyed; palettes are resolved.

    Args:
        kind: "png", "jpeg", "bmp" or "gif".

    Raises:
        InputError: if it is damaged, too large, or holds several frames and none is chosen.
    """
    from PIL import Image as Pillow

    with (
        guarded(request.origin, kind.upper()),
        _bomb_limit(request),
        Pillow.open(request.path, formats=[kind.upper()]) as picture,
    ):
        deep = kind == "png" and _is_deep_colour(request.path)
        colours = 1 if picture.mode in ("1", "L", "I", "I;16", "I;16B", "F") else 3
        request.check_size((picture.height, picture.width, colours), _bytes_of_value(picture, colours), OF_PICTURES)
        count = 1 if kind == "jpeg" else getattr(picture, "n_frames", 1)
        frames = []
        notes: tuple[str, ...] = ()
        for index in request.choose(count):
            picture.seek(index)
            if not deep:
                picture.load()
            values, notes = _deep_values(picture, request.path) if deep else pillow_values(picture)
            frames.append(values)
        values = upright(averaged(frames), int(picture.getexif().get(_ORIENTATION, 1)))
    return as_image(values, request, notes)


def _bytes_of_value(picture: Picture, colours: int) -> float:
    """What reading takes at its peak for each value that comes out: Pillow's pixels, its copy in colours, ours."""
    held = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "LA": 4, "PA": 4, "F": 4, "I": 4}.get(picture.mode, 4)
    if colours == 1:
        return 4 + 2 * held
    opacity = "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    converted = 0 if picture.mode == "RGB" else 4
    return 4 + 1 + (held + converted + (4 if opacity else 0)) / colours + (1 if opacity else 0)


def as_image(values: NDArray[Any], request: Request, notes: tuple[str, ...] = (), *, inverted: bool = False) -> Image:
    """Image of channel-first picture values; `inverted` shows low values bright."""
    values = grey_if_equal(values)
    found = among(told(values, request.origin), values, (), request.origin)
    window, note = found.ends, found.note
    if values.dtype == np.uint16:
        top, note = series_depth(request.path, float(values.max()))
        window = (0.0, top)
    return Image.from_native(
        values,
        window=window[::-1] if inverted else window,
        modality=Modality.CT if note == CT_NOTE else guess_modality(request.path),
        origin=request.origin,
        notes=(*notes, note) if note else notes,
        units="HU" if note == CT_NOTE else "",
    )


def pillow_values(picture: Picture) -> Values:
    """Channel-first values of an opened picture in its own depth; palettes and other colour models become RGB."""
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        rgba = np.moveaxis(np.asarray(picture.convert("RGBA")), -1, 0)
        return over_black(rgba[:3], rgba[3])
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode in ("L", "I", "I;16", "I;16B", "I;16L", "F"):
        values = np.asarray(picture)
        return values.astype(values.dtype.newbyteorder("="), copy=False)[None], ()
    return np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0), ()


def _deep_values(picture: Any, path: Path) -> Values:
    """Channel-first values of a PNG with 16 bits and several channels, which Pillow would cut to 8 bits."""
    if picture.getbands() != ("L", "A") and not _is_grey_with_alpha(path):
        return itk_values(path, "PNGImageIO")
    # Four bytes a pixel are taken as they come: grey and opacity, high byte first.
    picture._mode = "RGBA"
    picture.tile = [(*tile[:3], "RGBA") for tile in picture.tile]
    values = np.moveaxis(np.asarray(picture).view(">u2").astype(np.uint16), -1, 0)
    return over_black(values[:1], values[1])


def _is_grey_with_alpha(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(26)[25] == 4


def itk_values(path: Path, reader_name: str) -> Values:
    """Channel-first values of a picture in its own depth through the named reader of SimpleITK."""
    import SimpleITK

    loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO(reader_name)
        reader.SetFileName(str(path))
        with mute():
            values = np.moveaxis(np.atleast_3d(SimpleITK.GetArrayFromImage(reader.Execute())), -1, 0)
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)
    if values.shape[0] in (2, 4):
        return over_black(values[:-1], values[-1])
    return values, ()


def averaged(frames: list[NDArray[Any]]) -> NDArray[Any]:
    """The only frame as it is, or the mean of several as float64."""
    if len(frames) == 1:
        return frames[0]
    total = np.zeros(frames[0].shape)
    for frame in frames:
        total += frame
    return total / len(frames)


def upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """`(C, H, W)` turned as the EXIF or TIFF orientation 1..8 asks; unknown marks leave it alone."""
    turns = {
        2: lambda v: v[..., ::-1],
        3: lambda v: v[..., ::-1, ::-1],
        4: lambda v: v[..., ::-1, :],
        5: lambda v: v.swapaxes(-1, -2),
        6: lambda v: np.rot90(v, -1, axes=(-2, -1)),
        7: lambda v: v[..., ::-1, ::-1].swapaxes(-1, -2),
        8: lambda v: np.rot90(v, 1, axes=(-2, -1)),
    }
    return np.ascontiguousarray(turns[orientation](values)) if orientation in turns else values


def write(image: Image, path: Path, kind: str, bits: int) -> None:
    """Encodes the display values of a 2D image as "png" (8 or 16 bits), "jpeg" or "bmp" (8 bits)."""
    from PIL import Image as Pillow

    values = np.ascontiguousarray(np.moveaxis(levels(image.pixels, bits), 0, -1))
    if bits == 16 and image.channels == 3:
        _write_deep_colour(values, path)
        return
    options = {"quality": 95, "subsampling": 0} if kind == "jpeg" else {}
    made = BytesIO()  # into a file Pillow writes JPEG without noticing that the disk took a part alone
    Pillow.fromarray(values[..., 0] if image.channels == 1 else values).save(made, format=kind.upper(), **options)
    path.write_bytes(made.getvalue())


def _write_deep_colour(values: NDArray[Any], path: Path) -> None:
    import SimpleITK

    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("PNGImageIO")
    writer.SetFileName(str(path))
    writer.Execute(SimpleITK.GetImageFromArray(values, isVector=True))


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has 16 bits per channel and more channels than one (bytes 24 and 25: depth, colour type)."""
    with path.open("rb") as stream:
        head = stream.read(26)
    return len(head) == 26 and head[24] == 16 and head[25] != 0


@contextmanager
def _bomb_limit(request: Request) -> Iterator[None]:
    """Pillow's own guard against decompression bombs, which also sees animation frames, set to our limit."""
    from PIL import Image as Pillow

    before = Pillow.MAX_IMAGE_PIXELS
    # Pillow raises at twice this many pixels, which are 4 bytes each here.
    Pillow.MAX_IMAGE_PIXELS = request.limit // 8 + 1
    try:
        yield
    except Pillow.DecompressionBombError as error:
        raise InputError(
            f"{request.origin}: too large ({brief(error)}); crop it, or raise limit= or {LIMIT_VARIABLE} (bytes)"
        ) from error
    finally:
        Pillow.MAX_IMAGE_PIXELS = before


def _format(
    kind: str, title: str, suffixes: tuple[str, ...], magic: tuple[bytes, ...], depths: tuple[Bits, ...]
) -> Format:
    return Format(
        kind=kind,
        title=title,
        suffixes=suffixes,
        recognised=lambda head: not head.packed and head.start.startswith(magic),
        read=lambda request: read(request, kind),
        write=(lambda image, path, output: write(image, path, kind, output.bits)) if depths else None,
        depths=depths,
    )


PNG = _format("png", "PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), (8, 16))
JPEG = _format("jpeg", "JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",), (8,))
BMP = _format("bmp", "BMP", (".bmp",), (b"BM",), (8,))
GIF = _format("gif", "GIF", (".gif",), (b"GIF87a", b"GIF89a"), ())
