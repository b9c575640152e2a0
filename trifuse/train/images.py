"""Single pictures to learn super-resolution from: read once, kept in memory as bytes, drawn by modality."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.errors import InputError
from trifuse.train import augment, palettes
from trifuse.train.augment import Pixels


@dataclass(frozen=True)
class Picture:
    """One picture of the bank.

    Attributes:
        pixels: `(1 or 3, H, W)` uint8.
        kind: its modality in lower case, for drawing evenly.
        uptake: `(H, W)` 0..1 where it is a functional picture drawn with a known palette.
        origin: file, for messages.
    """

    pixels: Pixels
    kind: str
    uptake: NDArray[np.float32] | None = None
    origin: str = ""


def load(path: Path) -> Pixels:
    """A picture file as `(1 or 3, H, W)` bytes; grey stored as colour or palette becomes one channel.

    Raises:
        InputError: if the file cannot be read as a picture.
    """
    try:
        with Pillow.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}); give PNG, GIF or JPEG") from None
    if (rgb[..., :1] == rgb).all():
        return np.ascontiguousarray(rgb[None, ..., 0])
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def picture(path: Path) -> Picture:
    """A picture file as an entry of the bank; its modality is the beginning of the file name (`t1`, `spect-tc`)."""
    pixels = load(path)
    functional = pixels.shape[0] == 3
    return Picture(pixels, path.stem.lower(), palettes.uptake(pixels) if functional else None, str(path))


def listed(table: Path, split: str) -> list[Path]:
    """Every distinct picture named in the columns `path_*` of a CSV table whose `split` is the given one, sorted.

    Paths are relative to the folder above the table's, as in the tables of the Whole Brain Atlas.

    Raises:
        InputError: if the table has no such columns or no such rows.
    """
    with table.open(newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row.get("split", split) == split]
    found = {value for row in rows for key, value in row.items() if key.startswith("path") and value}
    if not found:
        raise InputError(f"{table}: no row of split {split!r} with columns path_1, path_2, ...")
    return sorted(table.parent.parent / name for name in found)


@dataclass(frozen=True)
class Bank:
    """Pictures, and how often each is drawn: `shares` says how often a kind is, kinds not named have share 1."""

    pictures: Sequence[Picture]
    shares: dict[str, float]

    def draw(self, random: np.random.Generator) -> Picture:
        """A kind by its share, then a picture of that kind."""
        kinds = sorted({p.kind for p in self.pictures})
        share = np.array([self.shares.get(kind, 1.0) for kind in kinds])
        kind = kinds[int(random.choice(len(kinds), p=share / share.sum()))]
        members = [p for p in self.pictures if p.kind == kind]
        return members[int(random.integers(len(members)))]

    def patch(self, side: int, random: np.random.Generator) -> Pixels:
        """One augmented picture `(3, side, side)`: contrast or palette, zoom, crop, flip or quarter turn."""
        drawn = self.draw(random)
        pixels = drawn.pixels
        if drawn.uptake is not None and random.random() < 0.6:
            pixels = augment.repaint(drawn.uptake, random)
        elif drawn.pixels.shape[0] == 1 and random.random() < 0.5:
            pixels = augment.recontrast(pixels, random)
        if random.random() < 0.25:
            pixels = augment.zoomed(pixels, random.uniform(0.7, 1.3))
        square = augment.crop(augment.grey_to_rgb(pixels), side, random)
        return augment.turned(square, int(random.integers(8)))  # type: ignore[return-value]

    def batch(self, size: int, side: int, scale: int, random: np.random.Generator) -> tuple[Pixels, Pixels, Pixels]:
        """`size` patches: small `(size, 3, side/scale, ...)`, bicubic and sharp `(size, 3, side, side)`, bytes."""
        sharp = [self.patch(side, random) for _ in range(size)]
        pairs = [augment.degraded(patch, scale) for patch in sharp]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), np.stack(sharp)
