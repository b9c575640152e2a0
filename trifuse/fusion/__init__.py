"""fuse(): the whole route of an image, and Fused, what comes out of it.

    sources -> one grid -> luma (+ chroma) -> method -> colour -> Fused

This is the only place that knows the whole route. Methods say on their cards what they take, and
`trifuse.fusion.adapt` adapts the case to the card.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from trifuse.align import Aligned, align
from trifuse.core.errors import OptionError
from trifuse.core.image import PICTURE_AFFINE, Image, Modality, scaled_affine
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.core.registry import OURS
from trifuse.fusion import memory
from trifuse.fusion.adapt import Precision, Settings, Upsample, Upsampler, adaptations, magnified, run
from trifuse.methods import get, origin
from trifuse.methods.base import Drawer, Drawing, Method, Spread, configure

if TYPE_CHECKING:
    from trifuse.align.grid import Registration


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

    def save(self, path: str | Path, *, keep_patient: str | Path | None = None) -> Path:
        """Writes the fused image in the format of the suffix, with its provenance beside it as JSON.

        Args:
            path: name ending in .png, .jpg, .bmp, .tif, .nii, .nii.gz or .dcm.
            keep_patient: DICOM only: file or folder whose patient and study the new object joins.

        Raises:
            InputError: if the suffix names no format, or the format cannot hold the image.
        """
        from trifuse import io

        return io.write(self.image, path, provenance=self.provenance, keep_patient=keep_patient)

    def like(self, source: Any) -> Any:
        """The fused image in the type and layout of a source: numpy, torch, nibabel, SimpleITK or Pillow.

        fused = trifuse.fuse([t1, t2, pet]).like(t1)
        """
        from trifuse.io import arrays

        return arrays.like(self.image, source)


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
    workers: int = 0,
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
        upsampler: "bicubic", "source-sr" (our one-pass network) or "sr3" (a diffusion model), what magnifies then.
        axis: slicing axis for volumes in 2D methods.
        workers: slices fused at a time, one core each; 0 for all cores torch may use. The result does not depend on it.
        device: torch device, such as "cpu" or "cuda:0".
        precision: "fp32" or "bf16" (autocast).
        options: options of the method by name.

    Raises:
        InputError: an input cannot be read or used.
        GridError: the sources lie on different grids and `register` is "none".
        OptionError: a method, scale or option does not exist.
    """
    settings = Settings(scale, upsample, upsampler, axis, device, precision, workers)
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
    native = chosen.card.native_grids and register == "none" and nested(images)
    on_grid = Aligned(images, []) if native else align(images, reference=reference, register=register)
    aligned = on_grid.images
    align_s = time.perf_counter() - clock
    clock = time.perf_counter()
    notes = on_grid.notes + adaptations(chosen, aligned, settings)
    tensors = [_tensor(image, settings.device) for image in aligned]
    memory.tell(chosen, [n * scale for n in aligned[reference].space])
    mean, std = _sampled(chosen, tensors, settings, samples, seed)
    fuse_s = time.perf_counter() - clock
    grid = max(aligned, key=lambda image: image.space) if native else aligned[reference]
    factors = [after / before for after, before in zip(mean.shape[2:], grid.space, strict=True)]
    affine = scaled_affine(grid.affine, factors)
    provenance = _provenance(chosen, images, settings, samples, seed, register, reference, notes)
    provenance["seconds"] = {"read": round(read_s, 4), "align": round(align_s, 4), "fuse": round(fuse_s, 4)}
    return Fused(
        image=_image(mean.clamp(0, 1), affine),
        uncertainty=None if std is None else _image(std, affine),
        provenance=provenance,
    )


def enlarged(
    sources: Sequence[Any], scale: int, *, upsampler: Upsampler = "bicubic", seed: int = 0, device: str = "cpu"
) -> list[Image]:
    """Images magnified as `fuse` magnifies the sources of a method that lacks the scale.

    Args:
        sources: whatever `Image.of` takes; volumes always go by bicubic.
        scale: magnification 1, 2, 4 or 8.
        upsampler: "bicubic", "source-sr" or "sr3".
        seed: seed of all of them together.
        device: torch device.

    Raises:
        InputError: an image cannot be read.
        OptionError: the scale or the upsampler does not exist.
        WeightsError: the upsampler's weights are absent.
    """
    settings, random = Settings(scale, upsampler=upsampler, device=device), Random(seed)
    found = []
    with torch.inference_mode():
        for image in map(Image.of, sources):
            larger = magnified(_tensor(image, device), settings, random).clamp(0, 1)
            affine = scaled_affine(image.affine, [scale] * image.dims)
            found.append(Image(larger[0].cpu().numpy(), affine=affine, modality=image.modality, origin=image.origin))
    return found


def nested(images: Sequence[Image]) -> bool:
    """Whether 2D images show one field of view on grids of which each is a whole multiple of the coarsest.

    Pictures without geometry are taken to show the same; with geometry their pixel edges must coincide.
    """
    if any(image.dims != 2 for image in images):
        return False
    coarse, *others = sorted(images, key=lambda image: image.space)
    for image in others:
        ratio = image.space[0] // coarse.space[0]
        if image.space != tuple(ratio * n for n in coarse.space):
            return False
        pictures = all(np.array_equal(x.affine, PICTURE_AFFINE) for x in (coarse, image))
        if not pictures and not np.allclose(scaled_affine(coarse.affine, (ratio, ratio)), image.affine, atol=1e-3):
            return False
    return True


def _sampled(
    method: Method, sources: list[Tensor], settings: Settings, samples: int, seed: int
) -> tuple[Tensor, Tensor | None]:
    """Mean over seeds (or a drawer's own estimate), and standard deviation if there is one to tell."""
    if samples > 1 and isinstance(method, Drawer):
        method = cast(Method, Drawing(method, samples))
        samples = 1
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

    from trifuse.core.version import __version__

    plugin = origin(method.card.name)
    return {
        "trifuse": __version__,
        "method": method.card.name,
        **({} if plugin == OURS else {"plugin": plugin}),
        "options": {f.name: getattr(method, f.name) for f in dataclasses.fields(method)},  # type: ignore[arg-type]
        "settings": dataclasses.asdict(settings) | {"register": register, "reference": reference},
        "samples": samples,
        "seed": seed,
        "sources": [
            {
                "modality": image.modality.value,
                "size": list(image.space),
                "channels": image.channels,
                "window": list(image.window),
                "units": image.units,
                "sha256": hashlib.sha256(np.ascontiguousarray(image.native()).tobytes()).hexdigest(),
            }
            for image in images
        ],
        "notes": notes,
    }
