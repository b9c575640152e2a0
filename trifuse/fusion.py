"""fuse(): the whole route of an image, and Fused, what comes out of it.

    sources -> one grid -> luma (+ chroma) -> method -> colour -> Fused

This is the only place that knows the whole route. Methods say on their cards what they take, and each step
here adapts the case to the card: `_upsampled` (scale), `_in_colour` (colour policy), `_folded` (number of
sources), `_by_slices` (volumes), `_padded` (sizes).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from trifuse import colour, geometry, resize
from trifuse.errors import OptionError
from trifuse.image import Image, Modality, scaled_affine
from trifuse.methods import get
from trifuse.methods.base import Method, Spread, configure
from trifuse.progress import track
from trifuse.random import Random

if TYPE_CHECKING:
    from trifuse.geometry import Registration

SCALES = (1, 2, 4, 8)
Upsample = Literal["before", "after"]
Upsampler = Literal["bicubic", "sr3"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, eq=False)
class Fused:
    """A fused image and how it came to be.

    Attributes:
        image: the fused picture, display range 0..1, on the grid of the reference source (times `scale`).
        uncertainty: per-pixel standard deviation over samples on the display scale, or None.
        provenance: trifuse version, method, options, seed, inputs (digests, no patient data), timings, warnings.
    """

    image: Image
    uncertainty: Image | None
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> Path:
        """Writes the fused image in the format of the suffix, with its provenance beside it as JSON.

        Raises:
            InputError: if the suffix names no format, or the format cannot hold the image.
        """
        from trifuse import io

        return io.write(self.image, path, provenance=self.provenance)


@dataclass(frozen=True)
class Settings:
    """How a run is adapted to a method.

    Attributes:
        scale: magnification in 1, 2, 4, 8.
        upsample: whether sources are upsampled before fusing or the result after, where the method lacks `scale`.
        upsampler: what magnifies them: "bicubic", or "sr3", a diffusion model.
        axis: axis along which a volume is sliced for a 2D method.
        device: torch device.
        precision: "fp32", or "bf16" for autocast.
    """

    scale: int = 1
    upsample: Upsample = "before"
    upsampler: Upsampler = "bicubic"
    axis: int = 2
    device: str = "cpu"
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise OptionError(f"scale {self.scale} is not offered; choose one of {', '.join(map(str, SCALES))}")
        if self.upsample not in ("before", "after"):
            raise OptionError(f"upsample={self.upsample!r} is not known; choose before or after")
        if self.upsampler not in ("bicubic", "sr3"):
            raise OptionError(f"upsampler={self.upsampler!r} is not known; choose bicubic or sr3")
        if self.precision not in ("fp32", "bf16"):
            raise OptionError(f"precision {self.precision!r} is not known; choose fp32 or bf16")
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise OptionError(f"device {self.device!r} cannot be used: {str(error).splitlines()[0]}") from None
        if self.axis not in (0, 1, 2):
            raise OptionError(f"axis {self.axis} is not one of a volume's; choose 0, 1 or 2")


def fuse(
    sources: Sequence[Any],
    method: str | Method = "bitonicx",
    *,
    scale: int = 1,
    samples: int = 1,
    seed: int = 0,
    register: Registration = "none",
    reference: int = 0,
    upsample: Upsample = "before",
    upsampler: Upsampler = "bicubic",
    axis: int = 2,
    device: str = "cpu",
    precision: Precision = "fp32",
    options: Mapping[str, Any] | None = None,
) -> Fused:
    """Fuses two or more registered (or to be registered) images of one patient into one.

    Args:
        sources: paths, arrays, tensors, nibabel or SimpleITK images, or `Image`s (see `Image.of`).
        method: name of a method (see `trifuse.methods()`), or a configured instance.
        scale: magnification 1, 2, 4 or 8; methods without super-resolution get bicubic sources.
        samples: how many results to draw; more than one gives their mean and their standard deviation.
        seed: first seed; sample i uses `seed + i`.
        register: how to bring the sources onto the grid of the reference; "none" demands one grid.
        reference: index of the source whose grid the result has.
        upsample: "before" or "after" fusing, for methods that lack `scale`.
        upsampler: "bicubic" or "sr3", what magnifies then.
        axis: slicing axis for volumes in 2D methods.
        device: torch device, such as "cpu" or "cuda:0".
        precision: "fp32" or "bf16" (autocast).
        options: options of the method by name.

    Raises:
        InputError: an input cannot be read or used.
        GridError: the sources lie on different grids and `register` is "none".
        OptionError: a method, scale or option does not exist.
    """
    settings = Settings(scale, upsample, upsampler, axis, device, precision)
    chosen = configure(get(method), options or {}) if isinstance(method, str) else method
    if len(sources) < 2:
        raise OptionError(f"fusing takes two or more images, got {len(sources)}")
    if samples < 1:
        raise OptionError(f"samples={samples} makes no picture; give 1 or more")
    if not 0 <= seed < 2**32 - samples:
        raise OptionError(f"seed {seed} is out of range; give 0 to {2**32 - samples - 1}")
    clock = time.perf_counter()
    images = [Image.of(source) for source in sources]
    if not 0 <= reference < len(images):
        raise OptionError(f"reference {reference} names none of the {len(images)} sources; count from 0")
    read_s = time.perf_counter() - clock
    clock = time.perf_counter()
    on_grid = geometry.align(images, reference=reference, register=register)
    aligned = on_grid.images
    align_s = time.perf_counter() - clock
    clock = time.perf_counter()
    notes = on_grid.notes + adaptations(chosen, aligned, settings)
    tensors = [_tensor(image, settings.device) for image in aligned]
    mean, std = _sampled(chosen, tensors, settings, samples, seed)
    fuse_s = time.perf_counter() - clock
    grid = aligned[reference]
    factors = [after / before for after, before in zip(mean.shape[2:], grid.space, strict=True)]
    affine = scaled_affine(grid.affine, factors)
    provenance = _provenance(chosen, images, settings, samples, seed, register, reference, notes)
    provenance["seconds"] = {"read": round(read_s, 4), "align": round(align_s, 4), "fuse": round(fuse_s, 4)}
    return Fused(
        image=_image(mean.clamp(0, 1), affine),
        uncertainty=None if std is None else _image(std, affine),
        provenance=provenance,
    )


def adaptations(method: Method, images: Sequence[Image], settings: Settings) -> list[str]:
    """What the route does for this method that the method does not do itself, in words, for provenance.

    Raises:
        OptionError: if the method cannot take these sources at all.
    """
    card = method.card
    low, high = card.sources
    if len(images) < low:
        raise OptionError(f"method {card.name} takes at least {low} images, got {len(images)}")
    notes = []
    if high is not None and len(images) > high:
        notes.append(f"{len(images)} sources folded from left to right, {high} at a time")
    dims = images[0].dims
    if dims not in card.dims:
        if 2 not in card.dims:
            raise OptionError(f"method {card.name} takes volumes only; give 3D images or another method")
        notes.append(f"volume fused slice by slice along axis {settings.axis}: {card.name} is a 2D method")
    if settings.scale not in card.scales:
        notes.append(
            f"{card.name} has no x{settings.scale}: {settings.upsampler} upsampling {settings.upsample} fusing"
        )
    for index, image in enumerate(images, start=1):
        notes.extend(f"source {index}: {note}" for note in image.notes)
        if image.stored is not None and not np.isfinite(image.stored).all():
            notes.append(f"source {index} holds values that are not finite; they are shown as background")
        if float(image.pixels.max()) == float(image.pixels.min()):
            notes.append(f"source {index} is constant")
    return notes


def _sampled(
    method: Method, sources: list[Tensor], settings: Settings, samples: int, seed: int
) -> tuple[Tensor, Tensor | None]:
    """Mean over seeds, and standard deviation if there is one to tell."""
    if samples == 1 or not method.card.stochastic:
        result = run(method, sources, settings, Random(seed))
        if isinstance(result, Spread):
            return result.mean, result.std
        return result, torch.zeros_like(result[:, :1]) if samples > 1 else None
    draws = []
    for index in track(range(samples), "samples"):
        draw = run(method, sources, settings, Random(seed + index))
        draws.append(draw.mean if isinstance(draw, Spread) else draw)
    stacked = torch.stack(draws)
    return stacked.mean(dim=0), stacked.std(dim=0).mean(dim=1, keepdim=True)


def run(method: Method, sources: Sequence[Tensor], settings: Settings, random: Random) -> Tensor | Spread:
    """Runs a method on tensors `(B, C, *space)`, adapted to its card; what `fuse` does between reading and saving."""
    autocast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.precision == "bf16")
    with torch.inference_mode(), autocast:
        return _by_slices(method, list(sources), settings, random)


def _by_slices(method: Method, sources: list[Tensor], settings: Settings, random: Random) -> Tensor | Spread:
    """A 2D method sees a volume slice by slice; `scale` then acts within the slices only."""
    if sources[0].ndim - 2 in method.card.dims:
        return _upsampled(method, sources, settings, random)
    axis = 2 + settings.axis
    means, stds = [], []
    for index in track(range(sources[0].shape[axis]), "slices"):
        fused = _upsampled(method, [source.select(axis, index) for source in sources], settings, random)
        means.append(fused.mean if isinstance(fused, Spread) else fused)
        if isinstance(fused, Spread):
            stds.append(fused.std)
    volume = torch.stack(means, dim=axis)
    return Spread(volume, torch.stack(stds, dim=axis)) if stds else volume


def _upsampled(method: Method, sources: list[Tensor], settings: Settings, random: Random) -> Tensor | Spread:
    """A magnification that the method lacks is made by the upsampler, before or after fusing."""
    if settings.scale in method.card.scales:
        return _in_colour(method, sources, settings.scale, random)
    if settings.upsample == "before":
        larger = [_magnified(source, settings, random).clamp(0, 1) for source in sources]
        return _in_colour(method, larger, 1, random)
    fused = _in_colour(method, sources, 1, random)
    if isinstance(fused, Spread):
        return Spread(_magnified(fused.mean, settings, random), bicubic(fused.std, settings.scale))
    return _magnified(fused, settings, random)


def _magnified(x: Tensor, settings: Settings, random: Random) -> Tensor:
    """`(B, C, *space)` at `scale`; SR3 is for pictures, so that volumes that reach this go by bicubic."""
    if settings.upsampler == "sr3" and x.ndim == 4:
        from trifuse.diffusion import sr3

        return sr3.upsample(x.clamp(0, 1), settings.scale, random)
    return bicubic(x, settings.scale)


def _in_colour(method: Method, sources: list[Tensor], scale: int, random: Random) -> Tensor | Spread:
    """Grey methods fuse luma; the chroma of the coloured sources is merged and joined again."""
    coloured = [source for source in sources if source.shape[1] == 3]
    if method.card.colour == "rgb" or not coloured:
        return _folded(method, sources, scale, random)
    lumas, chromas = zip(*(colour.split(source) for source in sources), strict=True)
    chroma = colour.merge_chroma([c for c, source in zip(chromas, sources, strict=True) if source.shape[1] == 3])
    if scale > 1:
        chroma = bicubic(chroma, scale)
    fused = _folded(method, list(lumas), scale, random)
    if isinstance(fused, Spread):
        return Spread(colour.join(fused.mean, chroma), fused.std)
    return colour.join(fused, chroma)


def _folded(method: Method, sources: list[Tensor], scale: int, random: Random) -> Tensor | Spread:
    """More sources than a method takes are fused from left to right; only the last step magnifies.

    So that every step sees the same grid, sources still waiting are never resized: a magnifying method that
    is folded runs at x1 until its last step.
    """
    most = method.card.sources[1]
    waiting = list(sources)
    while most is not None and len(waiting) > most:
        first = _padded(method, waiting[:most], 1, random)
        waiting = [(first.mean if isinstance(first, Spread) else first).clamp(0, 1), *waiting[most:]]
    return _padded(method, waiting, scale, random)


def _padded(method: Method, sources: list[Tensor], scale: int, random: Random) -> Tensor | Spread:
    """Mirrors the borders out to the size a method needs, and crops the result back."""
    card = method.card
    space = sources[0].shape[2:]
    wanted = [-(-max(n, card.min_size) // card.size_multiple) * card.size_multiple for n in space]
    if list(space) == wanted:
        return method.fuse(sources, scale=scale, random=random)
    fused = method.fuse([mirrored(source, wanted) for source in sources], scale=scale, random=random)
    crop = (slice(None), slice(None), *(slice(0, n * scale) for n in space))
    return _each(fused, lambda x: x[crop])


def mirrored(x: Tensor, size: Sequence[int]) -> Tensor:
    """`(B, C, *space)` extended at the end of each axis to `size` by mirroring (edge repeated), as often as needed."""
    for axis, wanted in enumerate(size, start=2):
        n = x.shape[axis]
        index = torch.arange(wanted, device=x.device) % (2 * n)
        x = x.index_select(axis, torch.where(index < n, index, 2 * n - 1 - index))
    return x


def bicubic(x: Tensor, scale: int) -> Tensor:
    """Pillow's bicubic magnification of `(B, C, H, W)`; volumes `(B, C, X, Y, Z)` plane by plane along each axis."""
    if scale == 1:
        return x
    pixels = x.detach().float().cpu().numpy()
    if pixels.ndim == 4:
        flat = pixels.reshape(-1, *pixels.shape[2:])
        larger = resize.pillow(flat, (flat.shape[1] * scale, flat.shape[2] * scale))
        return torch.from_numpy(larger.reshape(*pixels.shape[:2], *larger.shape[1:])).to(x)
    batch, channels, first, second, third = pixels.shape
    planes = resize.pillow(pixels.reshape(-1, second, third), (second * scale, third * scale))
    columns = planes.reshape(batch * channels, first, -1)
    whole = resize.pillow(columns, (first * scale, columns.shape[2]))
    return torch.from_numpy(whole.reshape(batch, channels, first * scale, second * scale, third * scale)).to(x)


def _each(result: Tensor | Spread, step: Any) -> Tensor | Spread:
    if isinstance(result, Spread):
        return Spread(step(result.mean), step(result.std))
    stepped: Tensor = step(result)
    return stepped


def _tensor(image: Image, device: str) -> Tensor:
    finite = np.nan_to_num(image.pixels, nan=0.0, posinf=1.0, neginf=0.0)
    return torch.from_numpy(np.ascontiguousarray(finite))[None].to(device)


def _image(tensor: Tensor, affine: np.ndarray[Any, np.dtype[np.float64]]) -> Image:
    return Image(tensor[0].float().cpu().numpy(), affine=affine, modality=Modality.OTHER, origin="fused")


def _provenance(
    method: Method,
    images: Sequence[Image],
    settings: Settings,
    samples: int,
    seed: int,
    register: str,
    reference: int,
    notes: list[str],
) -> dict[str, Any]:
    import dataclasses
    import hashlib

    from trifuse import __version__

    return {
        "trifuse": __version__,
        "method": method.card.name,
        "options": {f.name: getattr(method, f.name) for f in dataclasses.fields(method)},  # type: ignore[arg-type]
        "settings": dataclasses.asdict(settings) | {"register": register, "reference": reference},
        "samples": samples,
        "seed": seed,
        "sources": [
            {
                "modality": image.modality.value,
                "size": list(image.space),
                "channels": image.channels,
                "sha256": hashlib.sha256(np.ascontiguousarray(image.native()).tobytes()).hexdigest(),
            }
            for image in images
        ],
        "notes": notes,
    }
