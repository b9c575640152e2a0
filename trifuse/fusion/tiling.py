"""A method on a picture that is too large for the memory: tile by tile, each seeing a little more than it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from trifuse.core.cost import Tiling
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.core.tiles import cut
from trifuse.methods.base import Estimate, Method, card_of


@runtime_checkable
class Tiled(Protocol):
    """A method that knows how to fuse in tiles what looks at the whole picture."""

    def fuse_in_tiles(self, sources: Sequence[Tensor], *, scale: int, random: Random, side: int) -> Estimate:
        """As `Method.fuse`, for tiles that look at up to `side` pixels of the sources along each side."""
        ...


def in_tiles(method: Method, side: int) -> Callable[..., Estimate]:
    """`method.fuse`, tile by tile where a picture has more pixels than `side` along a side.

    Raises:
        TypeError: if the method's card does not say that it can.
    """
    tiling = card_of(method).tiling
    if tiling is None:
        raise TypeError(f"method {card_of(method).name} does not go in tiles")

    def fuse(sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        if all(n <= side for n in sources[0].shape[2:]):
            return method.fuse(sources, scale=scale, random=random)
        if isinstance(method, Tiled):
            return method.fuse_in_tiles(sources, scale=scale, random=random, side=side)
        return _put_together(method, sources, scale, random, side, tiling)

    return fuse


def _put_together(
    method: Method, sources: Sequence[Tensor], scale: int, random: Random, side: int, tiling: Tiling
) -> Estimate:
    """Of methods that look no further than `tiling.reach`: the same result as in one piece."""
    whole, stretch = None, None
    for tile in track(cut(sources[0].shape[2:], side, tiling.reach, tiling.period), "tiles"):
        fused = method.fuse([source[(..., *tile.seen)] for source in sources], scale=scale, random=random)
        if whole is None:
            stretch = fused.stretch
            space = [n * scale for n in sources[0].shape[2:]]
            whole = fused.mean.new_empty(*fused.mean.shape[:2], *space)
        whole[(..., *_scaled(tile.made, scale))] = fused.mean[(..., *_scaled(tile.inner, scale))]
    assert whole is not None
    return Estimate(whole, stretch=stretch)


def _scaled(part: tuple[slice, slice], scale: int) -> tuple[slice, slice]:
    rows, columns = part
    return slice(rows.start * scale, rows.stop * scale), slice(columns.start * scale, columns.stop * scale)
