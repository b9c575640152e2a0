"""How a case is adapted to what a method's card says.

    volume -> slices -> magnification -> luma and chroma -> folding -> padding -> the method

One step each, in this order: `_by_slices` (2D methods and volumes), `_upsampled` (scales a method lacks),
`_in_colour` (colour through grey methods), `_folded` (more sources than a method takes), `_padded` (sizes).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from trifuse.core import colour, resize
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.core.random import Random
from trifuse.fusion.settings import Run
from trifuse.fusion.slices import by_slices
from trifuse.methods.base import Method, Spread


def check_device(device: str) -> None:
    """Raises an `OptionError` if torch cannot compute there."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None


def adaptations(method: Method, images: Sequence[Image], settings: Run) -> list[str]:
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
    if min(images[0].space) * settings.scale < card.effective_size:
        notes.append(f"sides below {card.effective_size} pixels: {card.name} loses its effect; see its card")
    if len({image.space for image in images}) > 1:
        notes.append("sources kept on their own grids; the result is on the finest")
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


class PrecisionNote(UserWarning):
    """The precision that was asked for is slow here."""


def _computes_in_bfloat16(device: str) -> bool:
    """Whether networks gain by it; processors without such instructions took 26 times as long as in fp32."""
    if not device.startswith("cpu") or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def run(method: Method, sources: Sequence[Tensor], settings: Run, random: Random) -> Tensor | Spread:
    """Runs a method on tensors `(B, C, *space)`, adapted to its card; what `fuse` does between reading and saving.

    Warns with a `PrecisionNote` before a network computes in bfloat16 on a processor that lacks it.
    """
    if settings.precision == "bf16" and method.card.weights is not None and not _computes_in_bfloat16(settings.device):
        text = "bf16: this processor has no instructions for it, and takes many times as long as with --precision fp32"
        warnings.warn(text, PrecisionNote, stacklevel=2)
    autocast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.precision == "bf16")
    with torch.inference_mode(), autocast:
        return _by_slices(method, list(sources), settings, random)


def _by_slices(method: Method, sources: list[Tensor], settings: Run, random: Random) -> Tensor | Spread:
    """A 2D method sees a volume slice by slice; `scale` then acts within the slices only."""
    if sources[0].ndim - 2 in method.card.dims:
        return _upsampled(method, sources, settings, random)

    def fuse(one: Method, cut: list[Tensor], own: Random) -> Tensor | Spread:
        return _upsampled(one, cut, settings, own)

    return by_slices(fuse, method, sources, settings.axis, settings.workers, random)


def _upsampled(method: Method, sources: list[Tensor], settings: Run, random: Random) -> Tensor | Spread:
    """A magnification that the method lacks is made by the upsampler, before or after fusing."""
    if settings.scale in method.card.scales:
        return _in_colour(method, sources, settings.scale, random)
    if settings.upsample == "before":
        larger = [magnified(source, settings, random).clamp(0, 1) for source in sources]
        return _in_colour(method, larger, 1, random)
    fused = _in_colour(method, sources, 1, random)
    if isinstance(fused, Spread):
        return Spread(magnified(fused.mean, settings, random), bicubic(fused.std, settings.scale))
    return magnified(fused, settings, random)


def magnified(x: Tensor, settings: Run, random: Random) -> Tensor:
    """`(B, C, *space)`, values 0..1, at `settings.scale` by `settings.upsampler`.

    Networks are for pictures, so that volumes that reach this go by bicubic.
    """
    if x.ndim != 4 or settings.upsampler == "bicubic":
        return bicubic(x, settings.scale)
    if settings.upsampler == "sr3":
        from trifuse.diffusion import sr3

        return sr3.upsample(x.clamp(0, 1), settings.scale, random)
    from trifuse.diffusion import learned

    return learned.enlarged(x.clamp(0, 1), settings.scale)[:, : x.shape[1]]


def _in_colour(method: Method, sources: list[Tensor], scale: int, random: Random) -> Tensor | Spread:
    """Grey methods fuse luma; the chroma of the coloured sources is merged and joined again."""
    coloured = [source for source in sources if source.shape[1] == 3]
    if method.card.colour == "rgb" or not coloured:
        return _folded(method, sources, scale, random)
    lumas, chromas = zip(*(colour.split(source) for source in sources), strict=True)
    fine = max(source.shape[2] for source in sources)
    chroma = colour.merge_chroma(
        [bicubic(c, fine // c.shape[2]) for c, source in zip(chromas, sources, strict=True) if source.shape[1] == 3]
    )
    if scale > 1:
        chroma = bicubic(chroma, scale)
    fused = _folded(method, list(lumas), scale, random)
    _check_grid(method, fused, chroma.shape[2:])
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
        _check_grid(method, first, max((source.shape[2:] for source in waiting[:most]), key=max))
        waiting = [(first.mean if isinstance(first, Spread) else first).clamp(0, 1), *waiting[most:]]
    return _padded(method, waiting, scale, random)


def _padded(method: Method, sources: list[Tensor], scale: int, random: Random) -> Tensor | Spread:
    """Mirrors the borders out to the size a method needs, and crops the result back."""
    card = method.card
    if card.native_grids and len({source.shape[2:] for source in sources}) > 1:
        return method.fuse(sources, scale=scale, random=random)
    space = sources[0].shape[2:]
    wanted = [-(-max(n, card.min_size) // card.size_multiple) * card.size_multiple for n in space]
    if list(space) == wanted:
        return method.fuse(sources, scale=scale, random=random)
    fused = method.fuse([mirrored(source, wanted) for source in sources], scale=scale, random=random)
    crop = (slice(None), slice(None), *(slice(0, n * scale) for n in space))
    return _each(fused, lambda x: x[crop])


def _check_grid(method: Method, fused: Tensor | Spread, wanted: Sequence[int]) -> None:
    """Refuses to go on with a picture of another size than the sources', as published programs may make."""
    got = (fused.mean if isinstance(fused, Spread) else fused).shape[2:]
    if tuple(got) != tuple(wanted):
        sizes = " and ".join(" x ".join(map(str, size)) for size in (got, wanted))
        raise InputError(
            f"method {method.card.name}: the result and the sources differ in size ({sizes}), as its options want it, "
            "so that neither colour nor further sources fit; see its card, change its options, or crop the sources"
        )


def mirrored(x: Tensor, size: Sequence[int]) -> Tensor:
    """`(B, C, *space)` extended at the end of each axis to `size` by mirroring (edge repeated), as often as needed."""
    for axis, wanted in enumerate(size, start=2):
        n = x.shape[axis]
        index = torch.arange(wanted, device=x.device) % (2 * n)
        x = x.index_select(axis, torch.where(index < n, index, 2 * n - 1 - index))
    return x


def bicubic(x: Tensor, scale: int) -> Tensor:
    """Pillow's bicubic magnification of `(B, C, *space)`; see `trifuse.core.resize.magnified`."""
    if scale == 1:
        return x
    pixels = x.detach().float().cpu().numpy()
    larger = resize.magnified(pixels.reshape(-1, *pixels.shape[2:]), scale)
    return torch.from_numpy(larger.reshape(*pixels.shape[:2], *larger.shape[1:])).to(x)


def _each(result: Tensor | Spread, step: Callable[[Tensor], Tensor]) -> Tensor | Spread:
    if isinstance(result, Spread):
        return Spread(step(result.mean), step(result.std))
    return step(result)
