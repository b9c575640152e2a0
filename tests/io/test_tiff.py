"""TIFF in every depth, palette and compression that scanners and programs write."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image as Pillow

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Image

RNG = np.random.default_rng(3)
DEEP = RNG.integers(0, 4096, (9, 7), dtype=np.uint16)
DEEP_COLOUR = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bits_are_kept(tmp_path: Path, compression: str | None, byteorder: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP, compression=compression, byteorder=byteorder)
    image = io.read(path)
    assert np.array_equal(image.native()[0], DEEP)
    assert image.window == (0, 4095)
    tifffile.imwrite(path, DEEP_COLOUR, photometric="rgb", compression=compression, byteorder=byteorder)
    assert np.array_equal(np.moveaxis(io.read(path).native(), 0, -1), DEEP_COLOUR)


def test_separate_planes_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.moveaxis(DEEP_COLOUR, -1, 0), photometric="rgb", planarconfig="separate")
    assert np.array_equal(np.moveaxis(io.read(path).native(), 0, -1), DEEP_COLOUR)


def test_lzw_is_read_in_every_depth(tmp_path: Path) -> None:
    shallow = (DEEP_COLOUR >> 8).astype(np.uint8)
    Pillow.fromarray(shallow).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert np.array_equal(np.moveaxis(io.read(tmp_path / "a.tif").native(), 0, -1), shallow)
    Pillow.fromarray(DEEP).save(tmp_path / "b.tif", compression="tiff_lzw")
    assert np.array_equal(io.read(tmp_path / "b.tif").native()[0], DEEP)
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "c.tif"))
    writer.UseCompressionOn()
    writer.SetCompressor("LZW")
    writer.Execute(SimpleITK.GetImageFromArray(DEEP_COLOUR, isVector=True))
    image = io.read(tmp_path / "c.tif")
    assert image.native().dtype == np.uint16
    assert np.array_equal(np.moveaxis(image.native(), 0, -1), DEEP_COLOUR)


def test_jpeg_inside_tiff_is_read(tmp_path: Path) -> None:
    Pillow.fromarray((DEEP_COLOUR >> 8).astype(np.uint8)).save(tmp_path / "a.tif", compression="jpeg")
    expected = np.asarray(Pillow.open(tmp_path / "a.tif").convert("RGB"))
    assert np.array_equal(np.moveaxis(io.read(tmp_path / "a.tif").native(), 0, -1), expected)


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.float32, np.float64])
def test_other_numbers_span_their_finite_range(tmp_path: Path, kind: type) -> None:
    values = (DEEP - (0 if kind == np.uint32 else 900.0)).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values)
    image = io.read(tmp_path / "a.tif")
    assert image.native().dtype == kind
    assert np.array_equal(image.native()[0], values)
    assert image.window == (values.min(), values.max())


def test_floats_within_0_and_1_are_display_values(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", (DEEP / 8191).astype(np.float32))
    assert io.read(tmp_path / "a.tif").window == (0, 1)


def test_palettes_of_8_bits_are_resolved(tmp_path: Path) -> None:
    table = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    indices = (DEEP % 256).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table * 257)
    assert np.array_equal(io.read(tmp_path / "a.tif").native(), table[:, indices])


def test_white_is_zero_keeps_values_and_shows_them_reversed(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="miniswhite")
    image = io.read(tmp_path / "a.tif")
    assert np.array_equal(image.native()[0], DEEP)
    assert image.window == (4095, 0)
    assert np.allclose(image.pixels[0], 1 - DEEP / 4095, atol=1e-6)


def test_alpha_follows_the_rule_of_all_pictures(tmp_path: Path) -> None:
    rgba = np.concatenate([DEEP_COLOUR, np.full((9, 7, 1), 65535, np.uint16)], axis=2)
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(np.moveaxis(io.read(tmp_path / "a.tif").native(), 0, -1), DEEP_COLOUR)
    rgba[:4, :, 3] = 0
    tifffile.imwrite(tmp_path / "b.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    veiled = io.read(tmp_path / "b.tif")
    assert not veiled.native()[:, :4].any()
    assert veiled.notes


def test_pages_need_a_frame_and_smaller_copies_do_not_count(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(DEEP, photometric="minisblack")
        writer.write(DEEP[::2, ::2], photometric="minisblack", subfiletype=1)
    assert np.array_equal(io.read(tmp_path / "a.tif").native()[0], DEEP)
    tifffile.imwrite(tmp_path / "b.tif", np.stack([DEEP, DEEP + 2, DEEP + 4]), photometric="minisblack")
    with pytest.raises(InputError, match="3 pages"):
        io.read(tmp_path / "b.tif")
    assert np.array_equal(io.read(tmp_path / "b.tif", frame=1).native()[0], DEEP + 2)
    assert np.array_equal(io.read(tmp_path / "b.tif", frame="mean").native()[0], DEEP + 2.0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_what_is_written_is_read_again(tmp_path: Path, channels: int, bits: io.Bits) -> None:
    pixels = RNG.random((channels, 9, 7)).astype(np.float32)
    pixels[0, 0, :2] = 0, 1
    image = io.read(io.write(Image(pixels), tmp_path / "a.tif", bits=bits))
    assert image.channels == channels
    if bits == 32:
        assert np.array_equal(image.native(), pixels)
    else:
        assert np.array_equal(image.native(), np.floor(pixels.astype(np.float64) * (2**bits - 1) + 0.5))


def test_pages_in_a_circle_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([DEEP] * 3), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        second, last = tiff.pages[1].offset, tiff.pages[2]
        end = last.offset + tiff.tiff.tagnosize + len(last.tags) * tiff.tiff.tagsize
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[end : end + 4] = struct.pack("<I", second)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match="circles"):
        io.read(tmp_path / "a.tif")


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    tags = [(256, 70000), (257, 70000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 70000), (279, 16)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "bomb.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + b"\0" * 20)
    clock = time.perf_counter()
    with pytest.raises(InputError, match=r"damaged|too large"):
        io.read(tmp_path / "bomb.tif")
    assert time.perf_counter() - clock < 2


def test_pages_of_two_sizes_have_no_mean(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for height in (9, 7):
            writer.write(np.full((height, 8), height, np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"9 x 8, 7 x 8.*--frame"):
        io.read(tmp_path / "a.tif", frame="mean")
    assert io.read(tmp_path / "a.tif", frame=1).space == (7, 8)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_with_channels_that_no_tag_names(tmp_path: Path, kind: type) -> None:
    both = RNG.integers(0, np.iinfo(kind).max, (13, 11, 2)).astype(kind)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(both, isVector=True), str(tmp_path / "a.tif"))
    image = io.read(tmp_path / "a.tif")
    assert np.array_equal(image.native()[0], both[..., 0])
    assert "unnamed extra channels left out" in image.notes


@pytest.mark.parametrize("absent", [1, 30])
def test_tiles_that_are_not_there(tmp_path: Path, absent: int) -> None:
    values = RNG.integers(1, 255, (96, 96), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, tile=(16, 16), photometric="minisblack")  # 36 tiles
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = file.pages[0].tags[name]
            tag.overwrite([0] * absent + list(tag.value)[absent:])
    if absent > 18:
        with pytest.raises(InputError, match="holds 6 of the 36"):
            io.read(path)
        return
    image = io.read(path)
    assert image.notes == ("1 of 36 strips or tiles are not there: shown as 0",)
    assert image.native()[0, :16, :16].max() == 0
    assert np.array_equal(image.native()[0, 16:], values[16:])
