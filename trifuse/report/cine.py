"""A cine of a volume: its slices one after the other, as GIF or animated PNG, through Pillow."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.files import check_place, publish
from trifuse.core.image import Image
from trifuse.io.display import levels

SUFFIXES = (".gif", ".apng")
SECONDS = 0.08
"""Each slice is shown this long."""


def write_cine(image: Image, path: str | Path, *, axis: int = 2) -> Path:
    """Writes the slices of a volume one after the other, whole or not at all.

    Every frame is turned so that the patient's front (or top) is up and the right is on the left where the slices
    allow it, and enlarged to square pixels.

    Args:
        path: name ending in .gif, or in .apng for animated PNG, which keeps all colours.
        axis: axis of the volume along which it runs.

    Raises:
        InputError: if it is no volume, or the place cannot be written to.
        OptionError: if the suffix is another, or there is no such axis.
    """
    target = Path(path)
    check(target, dims=image.dims)
    if axis not in (0, 1, 2):
        raise OptionError(f"axis {axis} is not one of a volume's; choose 0, 1 or 2")
    return publish(target, lambda draft: _encode(image, draft, axis), None)


def check(path: Path, *, dims: int | None = None) -> None:
    """Raises early what `write_cine` would raise about a name and its place.

    Args:
        dims: 2 for a picture, 3 for a volume, None if not known yet.

    Raises:
        InputError: if it is no volume, or the place cannot be written to.
        OptionError: if the suffix names no animation.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{one_line(path)}: a cine is written as one of {', '.join(SUFFIXES)}")
    if dims == 2:
        raise InputError(f"{one_line(path)}: only volumes have slices to play; this image is a single one")
    check_place(path)


def _encode(image: Image, draft: Path, axis: int) -> None:
    from PIL import Image as Pillow

    frames = _frames(image, axis)
    height, width = frames[0].shape[:2]
    row_mm, column_mm = _row_column_mm(image, axis)
    finest = min(row_mm, column_mm)
    size = (max(1, round(width * column_mm / finest)), max(1, round(height * row_mm / finest)))
    pictures = [Pillow.fromarray(frame).resize(size, Pillow.Resampling.BILINEAR) for frame in frames]
    kind = "GIF" if draft.suffix.lower() == ".gif" else "PNG"
    first, *others = pictures
    made = BytesIO()  # as for pictures: a full disk would pass unnoticed
    first.save(made, format=kind, save_all=True, append_images=others, duration=round(SECONDS * 1000), loop=0)
    draft.write_bytes(made.getvalue())


def _frames(image: Image, axis: int) -> list[NDArray[np.uint8]]:
    """uint8 `(rows, columns[, 3])` of every slice, turned as radiologists look at them."""
    pixels, directions = np.moveaxis(levels(image.pixels, 8), 1 + axis, 0), _directions(image, axis)
    rows_first = directions[0] > directions[1]
    flips = _flips(image, axis)
    turned = [np.flip(s, tuple(1 + k for k in (0, 1) if flips[k])) for s in pixels]
    shown = [s if rows_first else s.swapaxes(1, 2) for s in turned]
    return [np.ascontiguousarray(s[0] if s.shape[0] == 1 else np.moveaxis(s, 0, -1)) for s in shown]


def _in_plane(image: Image, axis: int) -> list[NDArray[np.float64]]:
    """Direction of the two axes of a slice, RAS."""
    return [image.affine[:3, k] for k in range(3) if k != axis]


def _directions(image: Image, axis: int) -> list[int]:
    """Which of the patient's axes (0 left-right, 1 back-front, 2 down-up) each axis of a slice runs along."""
    return [int(np.argmax(np.abs(step))) for step in _in_plane(image, axis)]


def _flips(image: Image, axis: int) -> list[bool]:
    """Axes that run to the right, front or top are turned, so that rows go down and the left is on the right."""
    return [bool(step[np.argmax(np.abs(step))] > 0) for step in _in_plane(image, axis)]


def _row_column_mm(image: Image, axis: int) -> tuple[float, float]:
    mm = [float(np.linalg.norm(step)) for step in _in_plane(image, axis)]
    first, second = _directions(image, axis)
    return (mm[0], mm[1]) if first > second else (mm[1], mm[0])
