"""Compressed pixels: what the decoders at hand read, and what is said of the rest."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.core.errors import InputError

RAMP = np.add.outer(np.arange(16) * 150, np.arange(12) * 40).astype(np.uint16)

HTJ2K = base64.b64decode(
    "/0//UQApQAAAAAAMAAAAEAAAAAAAAAAAAAAADAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQ"
    "kJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAH4AAf+TwAAmVfkFB3QAAMAAE0AAEwCs/gIHdAC0+gMHdADAABNA"
    "ABOAtf4Ay3QAWMXqAKNUAMAAFTAABVCyMpnsl+ELdQCiihL1wCEAjLYAwAAroAAWgI7jOI7jON4KenpwgngAKlVUVFRU/vwAGPYxgey5AP/Z"
)
"""`RAMP` as high-throughput JPEG 2000, lossless, by imagecodecs."""

JPEG_12 = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQEAgMF"
    "BQQEBQQEBAT/wQALDAAQAAwBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAADA0O/8QAIRAAAAQFBQAAAAAAAAAAAAAAAAwpYwQHCQpHKDdSVHL/"
    "2gAIAQEAAD8AymPaTFVLbNOHp4q8MBDhTbKqWkyX6cPPFTMMwLohaTFVLbNOHp4q8MBDhTbKqWkyX6cPPFTMMwP/2Q=="
)
"""`RAMP` as JPEG of 12 bits, quality 98, by imagecodecs."""


def compressed(streams: list[bytes], syntax: str, **attributes: object) -> FileDataset:
    made = dicom_slice(RAMP, BitsStored=12, HighBit=11, **attributes)
    made.file_meta.TransferSyntaxUID = UID(f"1.2.840.10008.1.2.4.{syntax}")
    made.PixelData = encapsulate(streams)
    made["PixelData"].is_undefined_length = True
    if len(streams) > 1:
        made.NumberOfFrames = len(streams)
    return made


def saved(made: FileDataset, path: Path) -> Path:
    made.save_as(path, enforce_file_format=True)
    return path


def test_jpeg_of_12_bits_is_read(tmp_path: Path) -> None:
    image = io.read(saved(compressed([JPEG_12], "51"), tmp_path / "a"))
    assert np.abs(image.native()[0].astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize("syntax", ["201", "202", "203"])
def test_high_throughput_jpeg_2000_is_read(tmp_path: Path, syntax: str) -> None:
    assert np.array_equal(io.read(saved(compressed([HTJ2K], syntax), tmp_path / "a")).native()[0], RAMP)
    made = compressed([HTJ2K] * 3, syntax)
    assert np.array_equal(io.read(saved(made, tmp_path / "b"), frame=1).native()[0], RAMP)


@pytest.mark.parametrize(
    ("streams", "syntax", "word"),
    [
        ([b"\xff\x4f\xff\x51" + bytes(60)], "201", "High-Throughput JPEG 2000"),
        ([b"\0\0\0\x01" + bytes(60)], "102", "MPEG-4"),
    ],
)
def test_a_compression_that_is_not_known_is_named_and_not_called_damaged(
    tmp_path: Path, streams: list[bytes], syntax: str, word: str
) -> None:
    with pytest.raises(InputError, match=word) as error:
        io.read(saved(compressed(streams, syntax), tmp_path / "a"))
    assert "damaged" not in str(error.value)
    assert "export it uncompressed" in str(error.value)


@pytest.mark.parametrize("syntax", ["51", "201"])
def test_rows_that_are_not_those_of_the_stream_are_refused(tmp_path: Path, syntax: str) -> None:
    made = compressed([JPEG_12 if syntax == "51" else HTJ2K], syntax)
    made.Rows = 8
    with pytest.raises(InputError):
        io.read(saved(made, tmp_path / "a"))


def test_a_transfer_syntax_of_the_future_is_named(tmp_path: Path) -> None:
    path = saved(compressed([bytes(64)], "102"), tmp_path / "a")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.102", b"1.2.840.10008.1.2.4.110"))
    with pytest.raises(InputError, match=r"2\.4\.110.*export it uncompressed"):
        io.read(path)
