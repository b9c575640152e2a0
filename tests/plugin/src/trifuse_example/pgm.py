"""A format: portable grey maps of 8 bits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from trifuse.core.image import Image
from trifuse.io.formats import Format, Output
from trifuse.io.request import Request


def read(request: Request) -> Image:
    """`P5`, width, height and largest value in ASCII, then the pixels row by row."""
    content = request.path.read_bytes()
    header = re.match(rb"P5\s+(\d+)\s+(\d+)\s+(\d+)\s", content)
    if header is None:
        raise ValueError("its header lacks a number")
    width, height, top = (int(number) for number in header.groups())
    request.check_size((height, width))
    values = np.frombuffer(content[header.end() :], np.uint8).reshape(1, height, width)
    return Image.from_native(values, window=(0, top), origin=request.origin)


def write(image: Image, path: Path, output: Output) -> None:
    """Grey levels, rounded half up; colour becomes its mean."""
    levels = np.floor(image.pixels.mean(axis=0) * 255 + 0.5).astype(np.uint8)
    path.write_bytes(f"P5\n{levels.shape[1]} {levels.shape[0]}\n255\n".encode() + levels.tobytes())


PGM = Format(
    kind="pgm",
    title="PGM",
    suffixes=(".pgm",),
    recognised=lambda head: head.start.startswith(b"P5"),
    read=read,
    write=write,
    depths=(8,),
)
