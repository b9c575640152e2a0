"""CDDFuse of pictures that do not fit into memory: tile by tile, with one attention for the whole picture.

The network looks a few pixels far but for its attention between channels, whose weights come from sums over all pixels.
Tiles first add up those sums, layer after layer, each tile by its own attention. Then all tiles are fused with the same
weights, so that none differs from its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from trifuse.core.progress import track
from trifuse.core.tiles import Tile, cut
from trifuse.nets.cddfuse import SURVEY, CDDFuse

REACH = 27
"""3x3 convolutions along the longest way: 1 + 4 blocks of 2, 6 of detail features, 2, 4 blocks of 2, and 2."""


class Sums:
    """Gram matrices and squared norms of each layer, added up over tiles; those of the whole where they are known."""

    def __init__(self, known: Sequence[tuple[Tensor, Tensor]] = ()) -> None:
        self.known = list(known)
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.next = 0

    def of_whole(self, products: Tensor, norms: Tensor) -> tuple[Tensor, Tensor]:
        """See `Survey.of_whole`."""
        layer, self.next = self.next, self.next + 1
        if layer == len(self.layers):
            self.layers.append((products, norms.square()))
        else:
            before = self.layers[layer]
            self.layers[layer] = (before[0] + products, before[1] + norms.square())
        return self.known[layer] if self.known else (products, norms)

    @contextmanager
    def of_tile(self) -> Iterator[None]:
        """The layers of one tile, from the first."""
        self.next = 0
        token = SURVEY.set(self)
        try:
            yield
        finally:
            SURVEY.reset(token)

    @property
    def totals(self) -> list[tuple[Tensor, Tensor]]:
        """Gram matrix and norms of each layer over all tiles."""
        return [(products, squares.sqrt()) for products, squares in self.layers]


def fused_in_tiles(net: CDDFuse, images: Sequence[Tensor], residual: Tensor | None, side: int) -> Tensor:
    """What `net(images, residual)` gives, `(B, 1, H, W)`, for tiles that look at up to `side` pixels."""
    space = images[0].shape[2:]
    sums = Sums()
    for tile in track(cut(space, side), "tiles, sums"):
        with sums.of_tile():
            _fused(net, images, residual, tile)
    fused = images[0].new_empty(images[0].shape)
    for tile in track(cut(space, side, REACH), "tiles"):
        with Sums(sums.totals).of_tile():
            fused[(..., *tile.made)] = _fused(net, images, residual, tile)[(..., *tile.inner)]
    return fused


def _fused(net: CDDFuse, images: Sequence[Tensor], residual: Tensor | None, tile: Tile) -> Tensor:
    seen = (..., *tile.seen)
    fused: Tensor = net([image[seen] for image in images], None if residual is None else residual[seen])
    return fused
