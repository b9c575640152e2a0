"""fuse(): the whole route of an image.

    sources -> one grid -> luma (+ chroma) -> method -> colour -> Fused

This is the only place that knows the whole route. Methods say on their cards what they take, and
`trifuse.fusion.adapt` adapts the case to the card.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from trifuse import upsamplers
from trifuse.align import Aligned, align
from trifuse.core.errors import OptionError
from trifuse.core.finite import finite_notes, not_finite
from trifuse.core.image import PICTURE_AFFINE, Image, Modality, scaled_affine
from trifuse.core.lineage import check_one_patient, joined
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.core.registry import OURS
from trifuse.core.window import shown
from trifuse.fusion import memory, uptake
from trifuse.fusion.adapt import adaptations, check_device, magnified, remarks
from trifuse.fusion.adapt import run as run_adapted
from trifuse.fusion.fused import Fused
from trifuse.fusion.saving import digest_of
from trifuse.fusion.settings import Run, takes_settings
from trifuse.methods import DEFAULT, get, origin
from trifuse.methods.base import Calibrated, Drawer, Estimate, Method, card_of, configure


@takes_settings
def fuse(sources: Sequence[Any], method: str | Method = DEFAULT, *, run: Run | None = None, **settings: Any) -> Fused:
    """Fuses two or more registered (or to be registered) images of one patient into one.

    Args:
        sources: paths, arrays, tensors, nibabel or SimpleITK images, or `Image`s (see `Image.of`).
        method: name of a method (see `trifuse.methods()`), or a configured instance, which takes no further `options`.
        run: how they are fused.
        settings: fields of `Run` by name, instead of `run` or to change it: `fuse(sources, "tfs-diff", scale=2)`.

    Raises:
        InputError: an input cannot be read or used.
        GridError: the sources lie on different grids and `register` is "none".
        OptionError: a method, setting or option does not exist, or not for these sources.
        WeightsError: the method, or what magnifies, lacks its weights.
    """
    how = (run or Run()).changed(**settings)
    check_device(how.device)
    if how.options and not isinstance(method, str):
        raise OptionError("options belong to a method that is given by name; this one is configured already")
    chosen = configure(get(method), how.options) if isinstance(method, str) else method
    if len(sources) < 2:
        raise OptionError(f"fusing takes two or more images, got {len(sources)}")
    clock = time.perf_counter()
    images = shown(Image.all_of(sources, range=how.range), how.window)
    if not how.different_patients:
        check_one_patient([image.lineage for image in images])
    if how.reference >= len(images):
        raise OptionError(
            f"reference {how.reference} names none of the {len(images)} sources; count from 0 "
            "(from 1 on the command line)"
        )
    read_s = time.perf_counter() - clock
    clock = time.perf_counter()
    what = uptake.plan(images, how, card_of(chosen))
    native = card_of(chosen).native_grids and how.register == "none" and nested(what.images)
    on_grid = Aligned(what.images, []) if native else align(what.images, reference=how.reference, register=how.register)
    aligned = on_grid.images
    align_s = time.perf_counter() - clock
    clock = time.perf_counter()
    structures = [aligned[index] for index in what.structures]
    notes = on_grid.notes + what.notes + (adaptations(chosen, structures, how) if len(structures) > 1 else [])
    notes += [*finite_notes(images), *remarks(aligned)]
    if len(structures) > 1 and how.device == "cpu":
        plan = memory.plan(chosen, structures, how)
        memory.tell(plan, how)
        notes += plan.notes
    else:
        plan = memory.Plan(0, 0, workers=how.workers)
    tensors = [_tensor(image, how.device) for image in structures]
    if len(structures) > 1:
        found = _sampled(chosen, tensors, how.changed(workers=plan.workers), plan.tiles.side if plan.tiles else 0)
    else:
        found = Estimate(_alone(tensors[0], how))
    for layer in what.layers:
        found = replace(found, mean=_laid_over(found.mean, aligned[layer.index], layer))
    fuse_s = time.perf_counter() - clock
    grid = max(aligned, key=lambda image: image.space) if native else aligned[how.reference]
    factors = [after / before for after, before in zip(found.mean.shape[2:], grid.space, strict=True)]
    affine = scaled_affine(grid.affine, factors)
    provenance = _provenance(chosen, images, how, notes) | {"uptake": [layer.told() for layer in what.layers]}
    provenance |= _intervals(chosen, how, any(image.channels > 1 for image in structures))
    provenance["seconds"] = {"read": round(read_s, 4), "align": round(align_s, 4), "fuse": round(fuse_s, 4)}
    lineage = joined([image.lineage for image in images])
    return Fused(
        image=replace(_image(found.mean.clamp(0, 1), affine), lineage=lineage),
        uncertainty=None if found.std is None else replace(_image(found.std, affine), lineage=lineage),
        provenance=provenance,
        bits=_bits(images),
        layers=tuple(what.layers),
    )


def _alone(only: Tensor, how: Run) -> Tensor:
    """The only structural source, magnified as a method without the scale would have it."""
    with torch.inference_mode():
        return magnified(only, how, Random(how.seed)) if how.scale > 1 else only


def _laid_over(mean: Tensor, image: Image, layer: uptake.Layer) -> Tensor:
    """Structures `(1, C, *space)` with a functional source over them, enlarged to their grid where it is finer."""
    values = _tensor(image, "cpu")
    if values.shape[2:] != mean.shape[2:]:
        mode = "bicubic" if values.ndim == 4 else "trilinear"
        values = torch.nn.functional.interpolate(values, size=mean.shape[2:], mode=mode, align_corners=False)
    base = mean[0].detach().float().cpu().clamp(0, 1).numpy()
    return torch.from_numpy(uptake.laid_over(base, values[0, 0].clamp(0, 1).numpy(), layer))[None]


def enlarged(sources: Sequence[Any], run: Run) -> list[Image]:
    """Images magnified as `fuse` magnifies the sources of a method that lacks the scale.

    Args:
        sources: whatever `Image.of` takes; volumes always go by bicubic.
        run: scale, upsampler, device, and the seed of all of them together.

    Raises:
        InputError: an image cannot be read.
        OptionError: the device cannot be used.
        WeightsError: the upsampler's weights are absent.
    """
    check_device(run.device)
    random = Random(run.seed)
    found = []
    with torch.inference_mode():
        for image in Image.all_of(sources, range=run.range):
            larger = magnified(_tensor(image, run.device), run, random).clamp(0, 1)
            affine = scaled_affine(image.affine, [run.scale] * image.dims)
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


def _sampled(method: Method, sources: list[Tensor], how: Run, side: int) -> Estimate:
    """Mean over seeds (or a drawer's own estimate), and standard deviation if there is one to tell."""
    if how.samples == 1 or isinstance(method, Drawer) or not card_of(method).stochastic:
        fused = run_adapted(method, sources, how, Random(how.seed), side=side)
        certain = how.samples > 1 and fused.std is None
        return Estimate(fused.mean, torch.zeros_like(fused.mean[:, :1]) if certain else fused.std)
    seeds = track(range(how.seed, how.seed + how.samples), "samples")
    draws = torch.stack([run_adapted(method, sources, how, Random(seed), side=side).mean for seed in seeds])
    return Estimate(draws.mean(dim=0), draws.std(dim=0).mean(dim=1, keepdim=True))


def _intervals(method: Method, how: Run, coloured: bool) -> dict[str, Any]:
    """Half widths of the uncertainty's intervals, of methods that know them."""
    known = method.intervals(how.scale, coloured) if how.samples > 1 and isinstance(method, Calibrated) else {}
    return {"intervals": {f"{level} %": width for level, width in known.items()}} if known else {}


def _tensor(image: Image, device: str) -> Tensor:
    """`(1, C, *space)` without NaN; of a volume that has none, its own pixels and no copy of them."""
    pixels = image.pixels
    if image.dims == 2 or not pixels.flags.writeable or not all(np.isfinite(p).all() for p in pixels[0]):
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0)
    return torch.from_numpy(np.ascontiguousarray(pixels))[None].to(device)


def _image(tensor: Tensor, affine: np.ndarray[Any, np.dtype[np.float64]]) -> Image:
    return Image(tensor[0].float().cpu().numpy(), affine=affine, modality=Modality.OTHER, origin="fused")


def _bits(images: Sequence[Image]) -> Literal[8, 16]:
    """16 if the grey sources are all of whole numbers finer than 8 bits, as slices of 10 to 16 bits are."""
    grey = [image for image in images if image.channels == 1]
    fine = [image.stored is not None and image.stored.dtype.kind in "iu" and not _is_bytes(image) for image in grey]
    return 16 if fine and all(fine) else 8


def _is_bytes(image: Image) -> bool:
    return image.window == (0.0, 255.0) or (image.stored is not None and image.stored.dtype.itemsize == 1)


def told(sources: Sequence[Any], method: str, run: Run) -> dict[str, Any]:
    """What the provenance of `fuse` says of what goes in, before it is made.

    Raises:
        TrifuseError: as `fuse`.
    """
    images = shown(Image.all_of(sources, range=run.range), run.window)
    return _told(configure(get(method), run.options), images, run)


def _provenance(method: Method, images: Sequence[Image], how: Run, notes: list[str]) -> dict[str, Any]:
    from trifuse.core.version import __version__

    card = card_of(method)
    used = {origin(card.name)} | (set() if how.scale in card.scales else {upsamplers.origin(how.upsampler)})
    plugins = {"plugins": sorted(used - {OURS})} if used != {OURS} else {}
    return {"trifuse": __version__, **plugins, **_told(method, images, how), "notes": notes}


def _told(method: Method, images: Sequence[Image], how: Run) -> dict[str, Any]:
    return {
        "method": card_of(method).name,
        "options": {f.name: getattr(method, f.name) for f in dataclasses.fields(method)},  # type: ignore[arg-type]
        "settings": {name: value for name, value in vars(how).items() if name not in ("samples", "seed", "options")},
        "samples": how.samples,
        "seed": how.seed,
        "sources": [
            {
                "modality": image.modality.value,
                "size": list(image.space),
                "channels": image.channels,
                "window": list(image.window),
                "units": image.units,
                "not_finite": not_finite(image),
                "sha256": digest_of(image),
            }
            for image in images
        ],
    }
