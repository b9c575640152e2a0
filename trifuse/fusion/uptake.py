"""Uptake in colour: structures are fused in grey, what PET, SPECT or a picture in a known palette shows is laid over.

The overlay keeps apart what the eye keeps apart. Luma stays the structures' for the most part; hue and saturation are
the palette's; opacity is low where uptake is ordinary and full where it is hot, so that colour does not drown tissue.
With opacity a, saturation b >= a, the structures' luma S, and luma Y and chroma c of the palette's colour:

    palettes that hue alone orders:      luma = (1 - a) S + a (r + (1 - r - s) S)        chroma = b c
    palettes that need their lightness:  luma = (1 - k a) S + k a Y                      chroma = b c

b = a for palettes in which paler colours stay in order. In the others, the atlas's among them, a pale colour is that of
another uptake: they keep their saturation wherever there is uptake, and lightness alone is left to the structures.

r and s are the room that a part of the chroma needs at the dark and at the bright end, so that uptake is seen over
black and over white structures too. The second kind are those of workstations, in which one hue stands for two levels,
or the top is white. Chroma that does not fit at a luma is made less, never turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trifuse.core import palettes
from trifuse.core.errors import OptionError
from trifuse.core.image import Image, Modality
from trifuse.fusion.opacity import Opacity
from trifuse.fusion.settings import Run
from trifuse.methods.base import Card

FUNCTIONAL = (Modality.PET, Modality.SPECT)
IN_MEMORY = ("array", "tensor")
"""Origins of arrays, which do not say what made them: RGB in them is taken as it is."""

GREY_PALETTES = ("ember", "viridis", "plasma")
"""For grey uptake, one for each functional source."""

BY_HUE = ("ember", "plasma", "inferno", "magma", "viridis", "cividis")
"""Palettes that hue alone orders, or hue and saturation."""

PALE = (*BY_HUE, "hot-iron", "hot", "hot-metal-blue")
"""Palettes that may be shown pale: their saturation rises with uptake at first, or hue orders them."""

ROOM = 0.4
"""Share of the chroma of such a palette that fits at any luma of the structures."""

BY_LIGHTNESS = 0.6
"""k, the share of the colour's own luma where a palette needs it."""

SHARE = "of the palette"
"""Units of uptake that was read from colours."""


@dataclass(frozen=True)
class Layer:
    """A functional source as it is laid over.

    Attributes:
        index: of the source, from 0.
        palette: name.
        window: native values at the two ends of the palette.
        units: of these.
        opacity: how it rises.
    """

    index: int
    palette: str
    window: tuple[float, float]
    units: str
    opacity: Opacity

    def told(self) -> dict[str, object]:
        """For provenance; sources counted from 1."""
        return {
            "source": self.index + 1,
            "palette": self.palette,
            "window": list(self.window),
            "units": self.units,
            "opacity": str(self.opacity),
        }


@dataclass(frozen=True)
class Plan:
    """What is laid over what.

    Attributes:
        images: the sources, colours of functional ones replaced by the uptake they stand for.
        structures: indices of the sources to be fused.
        layers: the functional ones; none if all are fused by their luma.
        notes: what was decided, in words.
    """

    images: list[Image]
    structures: list[int]
    layers: list[Layer]
    notes: list[str]


def plan(images: Sequence[Image], how: Run, card: Card) -> Plan:
    """Which sources are functional, what their colours mean, and how they are shown.

    Raises:
        OptionError: a setting names no source, palette or opacity, or a palette that cannot be read.
    """
    everything = Plan(list(images), list(range(len(images))), [], [])
    asked = _asked(how.functional, len(images))
    if how.colour not in ("auto", "luma", "source"):
        palettes.table(how.colour)
    opacity = Opacity.parse(how.opacity)
    if how.colour == "luma" or asked == []:
        return everything
    found, notes = _functional(images, asked)
    structures = [k for k in everything.structures if k not in found]
    if not found or not structures:
        if found:
            notes.append("no structural source: all are fused by their luma")
        return replace(everything, notes=notes)
    if 1 < len(structures) < card.sources[0]:
        notes.append(
            f"{card.name} takes at least {card.sources[0]} images: uptake is fused by its luma (--colour luma)"
        )
        return replace(everything, notes=notes)
    read = list(images)
    layers = []
    for rank, (index, reading) in enumerate(found.items()):
        if reading is not None:
            read[index] = _as_uptake(images[index], reading)
            notes.append(_told(index, reading))
        layers.append(_layer(index, read[index], reading, rank, how.colour, opacity))
        low, high = layers[-1].window
        notes.append(
            f"source {index + 1} is laid over in {layers[-1].palette}, {low:g} to {high:g} {layers[-1].units}".rstrip()
            + f", opacity {layers[-1].opacity}; lightness is the structures' for the most part"
        )
    if len(structures) == 1:
        notes.append(
            f"one structural source, shown as it is: {card.name} is not run (--colour luma fuses grey values by it)"
        )
    return Plan(read, structures, layers, notes)


def _asked(text: str, count: int) -> list[int] | None:
    """Indices that `functional` names; None for auto."""
    word = text.strip().lower()
    if word == "auto":
        return None
    if word in ("none", ""):
        return []
    try:
        chosen = sorted({int(part) - 1 for part in word.split(",")})
    except ValueError:
        raise OptionError(
            f"functional {text!r} names no source; give auto, none, or numbers such as 3 or 2,3"
        ) from None
    if chosen[0] < 0 or chosen[-1] >= count:
        raise OptionError(f"functional {text!r} names none of the {count} sources; count from 1")
    return chosen


def _functional(
    images: Sequence[Image], asked: list[int] | None
) -> tuple[dict[int, palettes.Reading | None], list[str]]:
    """Functional sources by index, with what their colours mean where they have colour, and notes."""
    found: dict[int, palettes.Reading | None] = {}
    notes = []
    for index, image in enumerate(images):
        if asked is not None and index not in asked:
            continue
        named = asked is not None or image.modality in FUNCTIONAL
        if image.channels == 1:
            if named:
                found[index] = None
            continue
        name = palettes.recognise(image.pixels) if named or image.origin not in IN_MEMORY else None
        if name is not None:
            found[index] = palettes.read(image.pixels, name)
        elif asked is not None:
            raise OptionError(
                f"source {index + 1}: its colours are in no known palette, so that uptake cannot be read from them; "
                "give it in grey, or --functional none"
            )
        elif named:
            notes.append(f"source {index + 1}: its colours are in no known palette; it is fused by its luma")
    return found, notes


def _told(index: int, reading: palettes.Reading) -> str:
    text = f"source {index + 1}: uptake read from palette {reading.palette}, colours {reading.off:.1f} levels off it"
    if reading.off > palettes.TRUSTED:
        text += f" (95 %): resampled or compressed; {100 * reading.doubtful:.1f} % of coloured pixels are doubtful"
    return text


def _as_uptake(image: Image, reading: palettes.Reading) -> Image:
    modality = image.modality if image.modality in FUNCTIONAL else Modality.PET
    return replace(image, pixels=reading.uptake[None], stored=None, window=(0.0, 1.0), units=SHARE, modality=modality)


def _layer(
    index: int, image: Image, reading: palettes.Reading | None, rank: int, colour: str, opacity: Opacity
) -> Layer:
    if reading is not None and colour in ("auto", "source"):
        palette = reading.palette
    else:
        palette = GREY_PALETTES[rank % len(GREY_PALETTES)] if colour in ("auto", "source") else colour
    if opacity.kind == "auto":
        opacity = opacity.of_uptake(image.pixels[0], vivid=0.0 if palette in PALE else 1.0)
    return Layer(index, palette, image.window, image.units, opacity)


def read_back(rgb: NDArray[np.float32], layer: Layer) -> NDArray[np.float32]:
    """Uptake `(*space)`, 0..1 over the layer's window, read from a picture that `laid_over` made of grey structures.

    Of all structures and uptakes, those whose colour is nearest. Where opacity is next to nothing, so is the answer's
    worth.

    Args:
        rgb: `(3, *space)`, 0..1.
    """
    from scipy.spatial import cKDTree

    grey, level = (x.astype(np.float32) for x in np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 1, 256)))
    surface = laid_over(grey[None], level, layer).reshape(3, -1)
    _, index = cKDTree(surface.T).query(rgb.reshape(3, -1).T)
    found: NDArray[np.float32] = level.ravel()[index].reshape(rgb.shape[1:])
    return found


def laid_over(base: NDArray[np.float32], uptake: NDArray[np.float32], layer: Layer) -> NDArray[np.float32]:
    """RGB `(3, *space)`, 0..1, of structures with uptake in colour; computed in slabs of the last axis.

    Args:
        base: structures `(1 or 3, *space)`, 0..1.
        uptake: `(*space)`, 0..1 over the layer's window.
    """
    out = np.empty((3, *uptake.shape), dtype=np.float32)
    step = max(1, (1 << 20) // max(1, uptake[..., 0].size))
    for start in range(0, uptake.shape[-1], step):
        slab = slice(start, start + step)
        out[..., slab] = _composed(base[..., slab], uptake[..., slab], layer)
    return out


def _composed(base: NDArray[np.float32], uptake: NDArray[np.float32], layer: Layer) -> NDArray[np.float32]:
    colour = palettes.paint(uptake, layer.palette)
    luma_of = palettes.LUMA.reshape(3, *[1] * uptake.ndim)
    saturation = layer.opacity.saturation(uptake, layer.window)
    own = (colour * luma_of).sum(axis=0)
    chroma = colour - own
    rgb = np.broadcast_to(base, colour.shape)
    structures = (rgb * luma_of).sum(axis=0)
    a = layer.opacity.at(uptake, layer.window)
    if layer.palette in BY_HUE:
        dark, bright = -ROOM * chroma.min(axis=0), ROOM * chroma.max(axis=0)
        luma = structures + a * (dark - (dark + bright) * structures)
    else:
        luma = structures + np.float32(BY_LIGHTNESS) * a * (own - structures)
    under = (rgb - structures) * (1 - a)
    rgb_over: NDArray[np.float32] = np.clip(luma + under + saturation * _fitting(luma, chroma) * chroma, 0, 1)
    return rgb_over


def _fitting(luma: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest factor up to 1 by which chroma fits between black and white at this luma."""
    up, down = chroma.max(axis=0), -chroma.min(axis=0)
    room = np.minimum((1 - luma) / np.maximum(up, 1e-6), luma / np.maximum(down, 1e-6))
    fitting: NDArray[np.float32] = np.clip(room, 0, 1).astype(np.float32)
    return fitting
