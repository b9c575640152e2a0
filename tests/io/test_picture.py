"""PNG, JPEG, BMP, GIF: values as the file holds them, and back."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image as Pillow
from PIL import ImageOps

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (13, 11), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (13, 11, 3), dtype=np.uint8)


def saved(path: Path, picture: Pillow.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif"])
def test_grey_of_8_bits_is_exact(tmp_path: Path, name: str) -> None:
    image = io.read(saved(tmp_path / name, Pillow.fromarray(GREY)))
    assert image.native().dtype == np.uint8
    assert np.array_equal(image.native()[0], GREY)
    assert image.window == (0, 255)
    assert np.array_equal(image.pixels[0], (GREY / 255).astype(np.float32))


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_colour_of_8_bits_is_exact(tmp_path: Path, name: str) -> None:
    image = io.read(saved(tmp_path / name, Pillow.fromarray(COLOUR)))
    assert np.array_equal(np.moveaxis(image.native(), 0, -1), COLOUR)


def test_jpeg_holds_what_pillow_decodes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Pillow.fromarray(COLOUR))
    assert np.array_equal(np.moveaxis(io.read(path).native(), 0, -1), np.asarray(Pillow.open(path)))


def test_jpeg_in_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Pillow.fromarray(COLOUR).convert("CMYK"))
    assert io.read(path).channels == 3


@pytest.mark.parametrize(("top", "end"), [(700, 1023), (1023, 1023), (1024, 4095), (9000, 16383), (65535, 65535)])
def test_the_window_of_16_bits_is_the_smallest_depth_that_holds_them(tmp_path: Path, top: int, end: int) -> None:
    values = RNG.integers(0, top, (9, 7)).astype(np.uint16)
    values[0, 0] = top
    image = io.read(saved(tmp_path / "a.png", Pillow.fromarray(values)))
    assert image.native().dtype == np.uint16
    assert np.array_equal(image.native()[0], values)
    assert image.window == (0, end)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_of_16_bits_survives_writing(tmp_path: Path, channels: int) -> None:
    pixels = RNG.random((channels, 9, 7)).astype(np.float32)
    pixels[0, 0, 0] = 1
    image = io.read(io.write(Image(pixels), tmp_path / "a.png", bits=16))
    assert image.native().dtype == np.uint16
    assert image.channels == channels
    assert np.array_equal(image.native(), np.floor(pixels.astype(np.float64) * 65535 + 0.5).astype(np.uint16))


def test_png_with_16_bits_and_alpha_is_not_cut(tmp_path: Path) -> None:
    values = RNG.integers(0, 60000, (4, 5, 4)).astype(">u2")
    values[..., 3] = 65535
    path = tmp_path / "a.png"
    path.write_bytes(png(5, 4, 16, 6, b"".join(b"\0" + row.tobytes() for row in values)))
    assert np.array_equal(np.moveaxis(io.read(path).native(), 0, -1), values[..., :3])


def test_palettes_are_resolved_and_equal_channels_are_grey(tmp_path: Path) -> None:
    indices = Pillow.fromarray(GREY % 4, mode="P")
    indices.putpalette([0, 0, 0, 10, 10, 10, 200, 200, 200, 255, 255, 255])
    grey = io.read(saved(tmp_path / "grey.gif", indices))
    assert grey.channels == 1
    assert np.array_equal(grey.native()[0], np.array([0, 10, 200, 255], np.uint8)[GREY % 4])
    indices.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 0, 255, 255, 255])
    assert io.read(saved(tmp_path / "colour.png", indices)).channels == 3
    repeated = Pillow.fromarray(np.repeat(GREY[..., None], 3, axis=2))
    assert io.read(saved(tmp_path / "repeated.png", repeated)).channels == 1


def test_bilevel_pictures_are_black_and_white(tmp_path: Path) -> None:
    image = io.read(saved(tmp_path / "a.png", Pillow.fromarray(GREY > 99)))
    assert np.array_equal(image.native()[0], np.where(GREY > 99, 255, 0))


def test_opaque_alpha_is_dropped_and_other_alpha_laid_over_black(tmp_path: Path) -> None:
    alpha = np.full((13, 11, 1), 255, np.uint8)
    opaque = io.read(saved(tmp_path / "a.png", Pillow.fromarray(np.concatenate([COLOUR, alpha], axis=2))))
    assert np.array_equal(np.moveaxis(opaque.native(), 0, -1), COLOUR)
    assert opaque.notes == ()
    alpha[:5] = 51
    veiled = io.read(saved(tmp_path / "b.png", Pillow.fromarray(np.concatenate([COLOUR, alpha], axis=2))))
    assert np.array_equal(np.moveaxis(veiled.native(), 0, -1)[:5], np.floor(COLOUR[:5] / 5 + 0.5))
    assert np.array_equal(np.moveaxis(veiled.native(), 0, -1)[5:], COLOUR[5:])
    assert veiled.notes == ("transparent pixels laid over black",)


def test_animations_need_a_frame(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(np.full((4, 5), grey, np.uint8)) for grey in (10, 20, 60)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"3 frames.*--frame 0 to 2.*mean"):
        io.read(path)
    assert io.read(path, frame=2).native().max() == 60
    assert np.array_equal(io.read(path, frame="mean").native(), np.full((1, 4, 5), 30.0))
    with pytest.raises(InputError, match="no frame 3"):
        io.read(path, frame=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_mark_is_obeyed(tmp_path: Path, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", Pillow.fromarray(GREY), exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(path)))
    assert np.array_equal(io.read(path).native()[0], expected)


def test_the_modality_is_in_the_name(tmp_path: Path) -> None:
    assert io.read(saved(tmp_path / "patient-7_PET.png", Pillow.fromarray(GREY))).modality is Modality.PET


def test_png_of_8_bits_rounds_half_up(tmp_path: Path) -> None:
    pixels = np.array([[[0.5 / 255, 1.5 / 255, 0.4999 / 255, 1.0, 1.2, -1.0, np.nan]]], dtype=np.float32)
    expected = np.floor(np.clip(np.nan_to_num(pixels.astype(np.float64)), 0, 1) * 255 + 0.5)
    assert np.array_equal(io.read(io.write(Image(pixels), tmp_path / "a.png")).native(), expected)
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    written = io.write(Image.from_native(every, window=(0, 255)), tmp_path / "b.png")
    assert np.array_equal(io.read(written).native(), every)


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_colour_survives_writing(tmp_path: Path, name: str) -> None:
    image = Image.from_native(np.moveaxis(COLOUR, -1, 0), window=(0, 255))
    assert np.array_equal(io.read(io.write(image, tmp_path / name)).native(), image.native())


def test_jpeg_is_written_nearly_without_loss(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (3, 32, 1))
    smooth[1] *= 0.5
    assert np.abs(io.read(io.write(Image(smooth), tmp_path / "a.jpg")).pixels - smooth).max() < 0.02


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_from_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, 8, 2, b"\0"))
    bitmap = tmp_path / "bomb.bmp"
    bitmap.write_bytes(
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, *size, 1, 24, 0, 0, 0, 0, 0, 0) + b"\0" * 6
    )
    io.read(saved(tmp_path / "a.png", Pillow.fromarray(GREY)))  # loads the libraries
    tracemalloc.start()
    clock = time.perf_counter()
    for bomb in (path, bitmap):
        with pytest.raises(InputError, match=r"bomb\.(png|bmp)"):
            io.read(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23
    assert time.perf_counter() - clock < 2


def test_a_small_file_that_claims_much_is_refused_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.gif", Pillow.fromarray(GREY))
    content = bytearray(path.read_bytes())
    content[6:10] = struct.pack("<HH", 12000, 12000)  # within the limit, but not within a file of a kilobyte
    path.write_bytes(content)
    with pytest.raises(InputError, match="can hold"):
        io.read(path)


def test_pillows_own_guard_is_left_as_it_was(tmp_path: Path) -> None:
    before = Pillow.MAX_IMAGE_PIXELS
    io.read(saved(tmp_path / "a.png", Pillow.fromarray(GREY)))
    assert before == Pillow.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("opaque", [True, False])
def test_grey_png_of_16_bits_with_alpha_is_not_cut(tmp_path: Path, opaque: bool) -> None:
    grey, alpha = RNG.integers(0, 65536, (2, 13, 11)).astype(np.uint16)
    alpha[:] = 65535 if opaque else alpha
    both = SimpleITK.GetImageFromArray(np.stack([grey, alpha], axis=-1), isVector=True)
    SimpleITK.WriteImage(both, str(tmp_path / "a.png"))
    image = io.read(tmp_path / "a.png")
    expected = grey if opaque else np.floor(grey * (alpha / 65535) + 0.5)
    assert np.array_equal(image.native()[0], expected)
    assert ("transparent pixels laid over black" in image.notes) != opaque
