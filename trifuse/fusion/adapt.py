"""How a case is adapted to what a method's card says.

    volume -> slices -> magnification -> luma and chroma -> folding -> padding -> the method

One step each of `Adapted`, in this order: `whole` (2D methods and volumes), `_upsampled` (scales a method lacks),
`_in_colour` (colour through grey methods), `_folded` (more sources than a method takes), `_padded` (sizes),
`_stretched` (methods that stretch by range).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from trifuse import upsamplers
from trifuse.core import colour
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.core.random import Random
from trifuse.fusion.settings import Run
from trifuse.fusion.slices import Steps, alone, by_slices
from trifuse.fusion.tiling import in_tiles
from trifuse.methods.base import Card, Drawer, Estimate, Method, card_of
from trifuse.upsamplers.base import Upsampler
from trifuse.upsamplers.bicubic import BICUBIC, bicubic


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
    card = card_of(method)
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
        by = upsampler_for(settings, 3 if dims == 3 and 3 in card.dims else 2).card.name
        why = "" if by == settings.upsampler else f" ({settings.upsampler} is for pictures)"
        notes.append(f"{card.name} has no x{settings.scale}: {by} upsampling {settings.upsample} fusing{why}")
    return notes


def remarks(images: Sequence[Image]) -> list[str]:
    """What readers had to decide about each source, and what its values lack, whatever becomes of it."""
    notes: list[str] = []
    for index, image in enumerate(images, start=1):
        notes.extend(f"source {index}: {note}" for note in image.notes)
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


def run(method: Method, sources: Sequence[Tensor], settings: Run, random: Random, *, side: int = 0) -> Estimate:
    """Runs a method on tensors `(B, C, *space)`, adapted to its card; what `fuse` does between reading and saving.

    Of a `Drawer` it is the estimate over `settings.samples` draws. Larger pictures than `side` pixels, unless it is 0,
    go in tiles.

    Warns with a `PrecisionNote` before a network computes in bfloat16 on a processor that lacks it.
    """
    card, fuse = card_of(method), in_tiles(method, side) if side else method.fuse
    if settings.samples > 1 and isinstance(method, Drawer):
        fuse = partial(method.draws, count=settings.samples)
    if settings.precision == "bf16" and card.weights is not None and not _computes_in_bfloat16(settings.device):
        text = "bf16: this processor has no instructions for it, and takes many times as long as with --precision fp32"
        warnings.warn(text, PrecisionNote, stacklevel=2)
    autocast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.precision == "bf16")
    adapted = Adapted(card, fuse, settings)
    with torch.inference_mode(), autocast:
        return adapted.whole(list(sources), random)


@dataclass(frozen=True)
class Adapted:
    """A method that takes any case.

    Attributes:
        card: what it takes by itself.
        fuse: how it fuses that; see `Method.fuse`.
        settings: of the run.
    """

    card: Card
    fuse: Callable[..., Estimate]
    settings: Run

    def whole(self, sources: list[Tensor], random: Random) -> Estimate:
        """A 2D method sees a volume slice by slice; `scale` then acts within the slices only."""
        if sources[0].ndim - 2 in self.card.dims:
            return alone(self._upsampled(sources, random))
        return by_slices(self._upsampled, sources, self.settings.axis, self.settings.workers, random)

    def _upsampled(self, sources: list[Tensor], random: Random) -> Steps:
        """A magnification that the method lacks is made by the upsampler, before or after fusing."""
        scale = self.settings.scale
        if scale in self.card.scales:
            return (yield from self._in_colour(sources, scale, random))
        if self.settings.upsample == "before":
            larger = (magnified(source, self.settings, random).clamp(0, 1) for source in sources)
            return (yield from self._in_colour(list(larger), 1, random))
        fused = yield from self._in_colour(sources, 1, random)
        std = None if fused.std is None else bicubic(fused.std, scale)
        return Estimate(magnified(fused.mean, self.settings, random), std)

    def _in_colour(self, sources: list[Tensor], scale: int, random: Random) -> Steps:
        """Grey methods fuse luma; the chroma of the coloured sources is merged and joined again."""
        if self.card.colour == "rgb" or all(source.shape[1] == 1 for source in sources):
            return (yield from self._folded(sources, scale, random))
        lumas, chroma = _split(sources)
        chroma = bicubic(chroma, scale)
        fused = yield from self._folded(lumas, scale, random)
        self._check_grid(fused.mean, chroma.shape[2:])
        return Estimate(colour.join(fused.mean, chroma), fused.std)

    def _folded(self, sources: list[Tensor], scale: int, random: Random) -> Steps:
        """More sources than a method takes are fused from left to right; only the last step magnifies.

        So that every step sees the same grid, sources still waiting are never resized: a magnifying method that
        is folded runs at x1 until its last step.
        """
        most = self.card.sources[1]
        while most is not None and len(sources) > most:
            finest = max((source.shape[2:] for source in sources[:most]), key=max)
            first = yield from self._padded(sources[:most], 1, random)
            self._check_grid(first.mean, finest)
            sources = [first.mean.clamp(0, 1), *sources[most:]]
        return (yield from self._padded(sources, scale, random))

    def _padded(self, sources: list[Tensor], scale: int, random: Random) -> Steps:
        """Mirrors the borders out to the size a method needs, and crops the result back."""
        card, space = self.card, sources[0].shape[2:]
        wanted = [-(-max(n, card.min_size) // card.size_multiple) * card.size_multiple for n in space]
        on_own_grids = card.native_grids and len({source.shape[2:] for source in sources}) > 1
        if on_own_grids or list(space) == wanted:
            return (yield from self._stretched(sources, scale, random))
        fused = yield from self._stretched([mirrored(source, wanted) for source in sources], scale, random)
        crop = (slice(None), slice(None), *(slice(0, n * scale) for n in space))
        return fused.each(lambda x: x[crop])

    def _stretched(self, sources: list[Tensor], scale: int, random: Random) -> Steps:
        """The method itself; a fusion that it stretches by its range waits here for the range of all slices."""
        fused = self.fuse(sources, scale=scale, random=random)
        if not isinstance(fused, Estimate):
            raise TypeError(f"method {self.card.name} returns {type(fused).__name__}; return Estimate(...)")
        if fused.stretch is None:
            return fused
        sources.clear()  # all slices wait here together
        low, high = yield fused.mean
        return fused.stretched(low, high)

    def _check_grid(self, fused: Tensor, wanted: Sequence[int]) -> None:
        """Refuses to go on with a picture of another size than the sources', as published programs may make."""
        if tuple(fused.shape[2:]) != tuple(wanted):
            sizes = " and ".join(" x ".join(map(str, size)) for size in (fused.shape[2:], wanted))
            raise InputError(
                f"method {self.card.name}: the result and the sources differ in size ({sizes}), as its options want "
                "it, so that neither colour nor further sources fit; see its card, change its options, or crop the "
                "sources"
            )


def _split(sources: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Lumas of sources, grey and coloured, and the chroma of the coloured ones on the finest grid, merged."""
    lumas, chromas = zip(*(colour.split(source) for source in sources), strict=True)
    fine = max(source.shape[2] for source in sources)
    chroma = colour.merge_chroma(
        [bicubic(c, fine // c.shape[2]) for c, source in zip(chromas, sources, strict=True) if source.shape[1] == 3]
    )
    return list(lumas), chroma


def magnified(x: Tensor, settings: Run, random: Random) -> Tensor:
    """`(B, C, *space)`, values 0..1, at `settings.scale` by `settings.upsampler`; see `upsampler_for`."""
    return upsampler_for(settings, x.ndim - 2).magnify(x, settings.scale, random)


def upsampler_for(settings: Run, dims: int) -> Upsampler:
    """What magnifies pictures (2) or volumes (3): upsamplers that are for pictures leave whole volumes to bicubic."""
    chosen = upsamplers.get(settings.upsampler)
    return chosen if dims in chosen.card.dims else BICUBIC


def mirrored(x: Tensor, size: Sequence[int]) -> Tensor:
    """`(B, C, *space)` extended at the end of each axis to `size` by mirroring (edge repeated), as often as needed."""
    for axis, wanted in enumerate(size, start=2):
        n = x.shape[axis]
        index = torch.arange(wanted, device=x.device) % (2 * n)
        x = x.index_select(axis, torch.where(index < n, index, 2 * n - 1 - index))
    return x
