"""Tiles make every pixel once and see as far as they must."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.core.tiles import cut


@pytest.mark.parametrize(
    ("space", "side", "reach", "period"), [((37, 90), 32, 5, 1), ((64, 128), 40, 6, 8), ((9, 9), 64, 3, 1)]
)
def test_every_pixel_once_and_its_surroundings(space: tuple[int, int], side: int, reach: int, period: int) -> None:
    picture = np.arange(space[0] * space[1]).reshape(space)
    made = np.full(space, -1)
    for tile in cut(space, side, reach, period):
        seen = picture[tile.seen]
        assert max(seen.shape) <= side
        assert all(part.start % period == 0 for part in (*tile.made, *tile.seen))
        assert (made[tile.made] == -1).all()
        made[tile.made] = seen[tile.inner]
        for part, wide, n in zip(tile.made, tile.seen, space, strict=True):
            assert wide.start <= max(0, part.start - reach)
            assert wide.stop >= min(n, part.stop + reach)
    assert (made == picture).all()


def test_a_tile_needs_room() -> None:
    with pytest.raises(ValueError, match="make nothing"):
        cut((100, 100), 16, 8)
