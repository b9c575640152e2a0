"""What a run takes of the computer's memory, said before it starts; and how it is made to fit.

Above its budget a run fuses fewer slices at a time, then goes in tiles if its method can, and else is refused.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, TypeVar

import torch

from trifuse import upsamplers
from trifuse.core import machine, tiles
from trifuse.core.cost import Sized, peak_of
from trifuse.core.errors import MemoryBudgetError, TrifuseError
from trifuse.core.image import Image
from trifuse.fusion.settings import Run
from trifuse.methods.base import Card, Method, card_of

PROGRAM = 400 * 10**6
"""Bytes of the program itself, with torch and what else a fusion loads."""

SHARE = 0.8
"""Of the machine's memory (or its container's), unless `--memory` says otherwise."""

SIDES = (1024, 512, 256, 128)
"""Pixels along the sides of tiles, of which the largest that fits is taken."""

LARGE, LONG = 2 * 10**9, 600.0
"""Bytes and seconds from which on a run is worth a word."""


class MemoryNote(UserWarning):
    """How much memory and time are about to be used."""


class Tiles(NamedTuple):
    """How a picture is cut: pixels along the side of a tile, how many neighbours share, and how many tiles."""

    side: int
    overlap: int
    pieces: int


@dataclass(frozen=True)
class Plan:
    """How a run fits into its budget.

    Attributes:
        peak: bytes at its peak, the program included.
        budget: bytes that it may take.
        seconds: that it will take, all cores together; an order of magnitude; 0 where the method does not say.
        workers: slices of a volume fused at a time.
        tiles: of each picture or slice; None in one piece.
        size: of the result, in words.
        notes: for provenance.
    """

    peak: int
    budget: int
    seconds: float = 0.0
    workers: int = 1
    tiles: Tiles | None = None
    size: str = ""
    notes: tuple[str, ...] = ()


def plan(method: Method, sources: Sequence[Image], how: Run) -> Plan:
    """What fusing these sources takes, and how it is done within the budget.

    Raises:
        MemoryBudgetError: if it cannot be.
    """
    need = Need.of(method, sources, how)
    budget = budget_of(how)
    card = card_of(method)
    workers = most = need.workers
    while workers > 1 and need.total(workers) > budget:
        workers -= 1
    found = None
    if need.total(workers) > budget:
        found = need.tiling(card, budget)
        if found is None:
            raise MemoryBudgetError(_refusal(card, need, budget))
    peak = need.total(workers) if found is None else need.tiled(card, found.side)
    seconds = need.seconds(card, found)
    notes = []
    if workers < most:
        notes.append(f"{workers} of {most} slices at a time, to stay within {machine.in_words(budget)} of memory")
    if found is not None and card.tiling is not None:
        notes.append(
            f"fused in {found.pieces} tiles of up to {found.side} x {found.side} pixels that overlap by {found.overlap}"
            f", to stay within {machine.in_words(budget)} of memory; {card.tiling.exact}"
        )
    return Plan(peak, budget, seconds, workers, found, need.size, tuple(notes))


def budget_of(how: Run) -> int:
    """Bytes that a run may take: `how.memory`, or a share of what the machine has."""
    if how.memory is not None:
        return machine.byte_count(how.memory)
    return int(SHARE * (machine.memory_total() or 2**62))


def tell(found: Plan, how: Run) -> None:
    """Warns with a `MemoryNote` before runs that are large or long, and before any volume is magnified."""
    volume = found.size.count("x") == 2
    wall = found.seconds / max(1, min(torch.get_num_threads(), os.cpu_count() or 1))
    if found.peak < LARGE and wall < LONG and not (volume and how.scale > 1):
        return
    text = f"{found.size}: about {machine.in_words(found.peak)} of memory at the peak"
    if found.tiles is not None:
        text += f", in tiles of {found.tiles.side} pixels"
    if found.seconds:
        text += f", and {_duration(wall)}"
    warnings.warn(text, MemoryNote, stacklevel=3)


E = TypeVar("E")


def fitted(engine: E, peak: Callable[[], int]) -> E:
    """The engine with no more processes of this computer than fit into its memory, with a `MemoryNote` of it.

    Args:
        peak: tells what one of them takes; where it fails the engine stays as it is, since the case will say why.
    """
    if getattr(engine, "workers", 1) < 2 or not hasattr(engine, "within"):
        return engine
    try:
        each = peak()
    except TrifuseError:
        return engine
    fewer: E = engine.within(each, budget_of(Run()))
    if fewer.workers < engine.workers:  # type: ignore[attr-defined]
        said = f"{fewer.workers} at a time: each takes about {machine.in_words(each)} of memory"  # type: ignore[attr-defined]
        warnings.warn(said, MemoryNote, stacklevel=2)
    return fewer


@dataclass(frozen=True)
class Need:
    """What a run takes, part by part, in bytes.

    Attributes:
        held: the program, the sources as read and as handed to the method, and the volume that slices are put into,
            twice, since they may wait for the range of all.
        end: the result twice, as the method gives it and clipped, when the method's own is gone; 0 for slices.
        once: the method's own on one picture, slice or volume.
        aside: what stands beside it there: sources enlarged before, colour.
        part: size of that picture, slice or volume at the method's scale.
        count: sources that the method sees at once.
        parts: slices of a volume; 1 for others.
        workers: slices at a time.
        size: of the result, in words.
    """

    held: int
    end: int
    once: int
    aside: int
    part: tuple[int, ...]
    count: int
    parts: int
    workers: int
    size: str

    @classmethod
    def of(cls, method: Method, sources: Sequence[Image], how: Run) -> Need:
        """What fusing these sources takes in one piece."""
        card = card_of(method)
        finest = max((image.space for image in sources), key=prod)
        by_slices = len(finest) == 3 and 3 not in card.dims
        whole = [n * (1 if by_slices and axis == how.axis else how.scale) for axis, n in enumerate(finest)]
        part = tuple(n for axis, n in enumerate(whole) if not (by_slices and axis == how.axis))
        parts = whole[how.axis] if by_slices else 1
        seen = [_padded(n, card) for n in part]
        coloured = any(image.channels == 3 for image in sources)
        read = sum(_bytes(image) + image.pixels.nbytes * (len(finest) == 2) for image in sources)
        twice = 2 * 4 * prod(whole) * (3 if coloured else 1)
        count = min(len(sources), card.sources[1] or len(sources))
        aside = _enlarged(card, sources, how, prod(part)) + (
            48 * prod(part) if coloured and card.colour == "grey" else 0
        )
        return cls(
            PROGRAM + read + (twice if by_slices else 0),
            0 if by_slices else twice,
            peak_of(method, card.cost, seen, count),
            aside,
            part,
            count,
            parts,
            min(parts, how.workers or torch.get_num_threads()),
            " x ".join(map(str, whole)),
        )

    def total(self, workers: int = 1) -> int:
        """Bytes with so many slices at a time."""
        return self.held + max(workers * (self.once + self.aside), self.end)

    def tiled(self, card: Card, side: int) -> int:
        """Bytes in tiles, one slice at a time."""
        assert card.tiling is not None
        return int(self.held + self.aside + card.tiling.kept * prod(self.part) + card.cost.peak(side**2, self.count))

    def tiling(self, card: Card, budget: int) -> Tiles | None:
        """The largest tiles that fit; None where the method does not go in tiles, or none fits."""
        tiling = card.tiling
        if tiling is None or len(self.part) != 2:
            return None
        overlap = 2 * -(-tiling.reach // tiling.period) * tiling.period
        for side in SIDES:
            if side >= overlap + tiling.period and side < max(self.part) and self.tiled(card, side) <= budget:
                return Tiles(side, overlap, len(tiles.cut(self.part, side, tiling.reach, tiling.period)))
        return None

    def seconds(self, card: Card, found: Tiles | None) -> float:
        """Seconds of one core."""
        pixels = prod(self.part) * self.parts
        if found is not None and card.tiling is not None:
            pixels = int(found.pieces * found.side**2 * card.tiling.passes * self.parts)
        return card.cost.seconds * pixels / 1e6 * self.count / 2


def _refusal(card: Card, need: Need, budget: int) -> str:
    needed = need.total()
    if card.tiling is not None and len(need.part) == 2:
        needed = min(needed, need.tiled(card, SIDES[-1]))
    return (
        f"method {card.name}, result of {need.size}: takes about {machine.in_words(needed)} of memory, and a run may "
        f"take {machine.in_words(budget)}; allow it more with --memory (memory= in Python), crop the sources, or take "
        "a lower scale or a leaner method (docs/memory.md)"
    )


def _padded(n: int, card: Card) -> int:
    return -(-max(n, card.min_size) // card.size_multiple) * card.size_multiple


def _bytes(image: Image) -> int:
    stored = 0 if image.stored is None or image.stored is image.pixels else image.stored.nbytes
    return image.pixels.nbytes + int(stored)


def _enlarged(card: Card, sources: Sequence[Image], how: Run, pixels: int) -> int:
    """What magnifying takes where the method does not do it."""
    if how.scale in card.scales:
        return 0
    channels = sum(image.channels for image in sources) if how.upsample == "before" else 1
    magnify = upsamplers.get(how.upsampler).card.cost
    return int(8 * channels * pixels) + magnify.peak(pixels, 1)


def _duration(seconds: float) -> str:
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * length:
            return f"some {seconds / length:.0f} {name}"
    return "a minute or less"


__all__ = ["MemoryNote", "Need", "Plan", "Sized", "Tiles", "budget_of", "plan", "tell"]
