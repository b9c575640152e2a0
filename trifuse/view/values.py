"""An image as raw numbers for the page, and what is to be known to show them.

Values go out as they are: little-endian, in native units, no scaling; the page windows and colours them. Volumes are
written slab by slab, first axis fastest, so that no second copy of them is ever held.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.align.grid import has_geometry
from trifuse.core import palettes
from trifuse.core.image import Image, Modality
from trifuse.core.window import HU, PRESETS, SUV

KEPT = {"u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "i4": "int32", "u4": "uint32", "f4": "float32"}
"""Types that go out as they are; booleans become uint8, all others float32."""

EXACT = 2**24
"""Whole numbers beyond are rounded in float32."""

SAMPLE = 2**20
"""Values that percentiles are taken of, at most."""

SUV_TOPS = (5, 6, 10, 15, 20)
FUNCTIONAL = (Modality.PET, Modality.SPECT)
SHARE = "of the palette"


def stored(image: Image, target: Path) -> dict[str, Any]:
    """Writes the values of an image as raw numbers and says what they are.

    Args:
        target: file for the numbers.

    Returns:
        Type, size, place, units, range, windows and palette, in JSON's own types; see `described`.
    """
    image, palette = _as_uptake(image)
    values = _kept(image.native()) if image.channels == 1 else _levels(image)
    notes = list(image.notes)
    if values.dtype == np.float32 and image.native().dtype.kind in "iu" and np.abs(values).max() > EXACT:
        notes.append("whole numbers beyond 16 million are shown rounded")
    with target.open("wb") as file:
        _write(values, file)
    return described(image, values, palette) | {"notes": notes}


def described(image: Image, values: NDArray[Any], palette: str) -> dict[str, Any]:
    """What the page must know of an image whose values it gets."""
    low, high = _range(values)
    return {
        "modality": image.modality.value,
        "units": image.units,
        "space": list(image.space),
        "channels": image.channels,
        "type": values.dtype.name,
        "affine": [[float(x) for x in row] for row in image.affine],
        "placed": has_geometry(image),
        "spacing": [float(s) for s in image.spacing],
        "window": [float(x) for x in image.window] if image.channels == 1 else [0.0, 255.0],
        "range": [low, high],
        "presets": _presets(image, values, (low, high)) if image.channels == 1 else {},
        "palette": palette,
        "functional": image.modality in FUNCTIONAL and image.channels == 1,
        "frame_of_reference": image.frame_of_reference is not None,
    }


def _as_uptake(image: Image) -> tuple[Image, str]:
    """A picture in a known palette as the uptake that its colours stand for, and the palette it is shown in."""
    if image.channels == 1:
        return image, "ember" if image.modality in FUNCTIONAL else "grey"
    name = palettes.recognise(image.pixels) if image.dims == 2 else None
    reading = palettes.read(image.pixels, name) if name else None
    if name is None or reading is None or reading.off > palettes.TRUSTED:
        return image, "colour"
    modality = image.modality if image.modality in FUNCTIONAL else Modality.PET
    uptake = Image(
        reading.uptake[None],
        affine=image.affine,
        modality=modality,
        origin=image.origin,
        notes=(*image.notes, f"uptake read from its colours, palette {name}, {reading.off:.1f} grey levels off it"),
        units=SHARE,
        placed=image.placed,
        known_place=image.known_place,
    )
    return uptake, name


def _kept(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.str[1:] in KEPT:
        return values
    if values.dtype.kind in "iu" and values.size and np.iinfo(np.int32).min <= values.min() <= values.max() < 2**31:
        return values.astype(np.int32)
    return values.astype(np.float32)


def _levels(image: Image) -> NDArray[np.uint8]:
    """Colours as display levels 0..255."""
    levels: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(image.pixels), 0, 1) * 255).astype(np.uint8)
    return levels


def _write(values: NDArray[Any], file: Any) -> None:
    """(C, H, W) row by row, (C, X, Y, Z) first axis fastest; channels of colours side by side."""
    little = values.dtype.newbyteorder("<")
    if values.ndim == 3:
        file.write(np.moveaxis(values, 0, -1).astype(little, copy=False).tobytes(order="C"))
        return
    for k in range(values.shape[3]):
        slab = np.moveaxis(values[:, :, :, k], 0, -1)  # (X, Y, C)
        file.write(slab.transpose(1, 0, 2).astype(little, copy=False).tobytes(order="C"))


def _range(values: NDArray[Any]) -> tuple[float, float]:
    if values.dtype.kind in "iu":
        return float(values.min()), float(values.max())
    finite = np.isfinite(values)
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    return (low, high) if low <= high else (0.0, 0.0)


def _presets(image: Image, values: NDArray[Any], ends: tuple[float, float]) -> dict[str, list[float]]:
    """Windows by name, in native values: as it was opened, its range, percentiles, and those of its units."""
    found = {"as opened": sorted(float(x) for x in image.window), "full range": list(ends)}
    flat = values.reshape(-1)[:: max(1, values.size // SAMPLE)]
    finite = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    lifted = finite[finite > finite.min()] if finite.size else finite
    if lifted.size:
        for low, high in ((1, 99), (5, 95), (2, 99.8)):
            found[f"{low}% to {high}% of tissue"] = [float(x) for x in np.percentile(lifted, (low, high))]
    if image.units == HU or (image.modality is Modality.CT and values.dtype != np.uint8 and ends[0] < -100):
        found |= {f"{name} (HU)": [w.low, w.high] for name, w in PRESETS.items() if w.units == HU}
    suv = image.units == SUV or (image.modality is Modality.PET and not image.units and ends[0] >= 0 and ends[1] < 100)
    if suv and values.dtype != np.uint8:
        found |= {f"SUV 0 to {top}": [0.0, float(top)] for top in SUV_TOPS}
    return {name: window for name, window in found.items() if window[0] < window[1]}
