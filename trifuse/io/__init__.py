"""Reading and writing: one file per format, chosen by what a file is, not by what it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trifuse.errors import InputError
from trifuse.image import Image


def to_image(source: Any) -> Image:
    """Image from an `Image`, a path or a numpy array; see `Image.of`."""
    if isinstance(source, Image):
        return source
    if isinstance(source, (str, Path)):
        return read(source)
    array = np.asarray(source)
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[-1] == 3:
        array = np.moveaxis(array, -1, 0)
    window = (0.0, 255.0) if array.dtype == np.uint8 else (0.0, 1.0)
    return Image.from_native(array, window=window)


def read(path: str | Path) -> Image:
    """Reads an image file."""
    from PIL import Image as Pillow

    with Pillow.open(path) as picture:
        return to_image(np.asarray(picture.convert("RGB")))


def write(image: Image, path: str | Path, *, provenance: dict[str, Any] | None = None) -> Path:
    """Writes an image in the format of the suffix."""
    raise InputError(f"{path}: no format can be written yet")
