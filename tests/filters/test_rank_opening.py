"""Rank openings against their definition, pixel by pixel, on both of their ways."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.core.errors import InputError, OptionError
from trifuse.filters.gathered_rank import ranks_in_masks
from trifuse.filters.range_mask import MaskRule, RangeMasks, range_masks
from trifuse.filters.rank_opening import opened_by_rank, range_opening
from trifuse.filters.sliding_rank import guide_ranges, place_of_black, sliding_ranks
from trifuse.filters.structure_tensor import gaussian


def rank_of(n: int, share: float = 0.08) -> int:
    rank = int(np.floor(share * (n - 1) + 0.5))
    return 1 if rank == 0 and n > 3 else rank


def masks_by_definition(masks: RangeMasks, half: int) -> NDArray[np.bool_]:
    """`[p, q]`: whether the mask of p holds q, flat indices."""
    height, width = masks.guide.shape
    y, x = (index.ravel() for index in np.indices((height, width)))
    near = (np.abs(y[:, None] - y[None]) <= half) & (np.abs(x[:, None] - x[None]) <= half)
    guide, grey = masks.guide.ravel(), masks.grey.ravel()
    near &= (guide[None] >= masks.guide_low.ravel()[:, None]) & (guide[None] <= masks.guide_high.ravel()[:, None])
    near &= (grey[None] >= masks.grey_low.ravel()[:, None]) & (grey[None] <= masks.grey_high.ravel()[:, None])
    return near


def by_definition(image: NDArray[np.float64], masks: RangeMasks, half: int) -> tuple[NDArray[np.float64], ...]:
    holds, flat = masks_by_definition(masks, half), image.ravel()
    eroded, dilated = np.empty_like(flat), np.empty_like(flat)
    for p, mask in enumerate(holds):
        members = np.sort(flat[mask])
        eroded[p], dilated[p] = members[rank_of(len(members))], members[-1 - rank_of(len(members))]
    opened, closed = eroded.copy(), dilated.copy()
    for q, holding in enumerate(holds.T):
        rank = rank_of(int(holding.sum()))
        opened[q] = max(eroded[q], np.sort(eroded[holding])[-1 - rank])
        closed[q] = min(dilated[q], np.sort(dilated[holding])[rank])
    return opened.reshape(image.shape), closed.reshape(image.shape)


def scene(size: tuple[int, int], seed: int = 0, levels: int = 0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    r, c = np.mgrid[: size[0], : size[1]]
    image = 0.5 * (np.hypot(r - 9, c - 14) < 8) + 0.15 * np.sin(c / 3) + random.normal(0.2, 0.08, size)
    return np.round(image * levels) / levels if levels else np.asarray(image)


@pytest.mark.parametrize("levels", [0, 6])
@pytest.mark.parametrize("threshold", [3.0, 0.3])
def test_range_opening_is_its_definition(threshold: float, levels: int) -> None:
    image = scene((23, 31), levels=levels)
    guide, rule = gaussian(image, 5.0), MaskRule(4, threshold)
    masks = range_masks(image[None], image, guide, rule)
    opened, closed = range_opening(image[None], image, guide, rule)
    expected = by_definition(image, masks, 4)
    assert masks.uniform == (threshold == 3.0)
    assert np.array_equal(opened[0], expected[0])
    assert np.array_equal(closed[0], expected[1])


@pytest.mark.parametrize("size", [(71, 40), (33, 97), (31, 31)])
def test_sliding_ranks_are_gathered_ranks(size: tuple[int, int]) -> None:
    image = scene(size, seed=1, levels=40)
    guide = gaussian(image, 4.0)
    masks = range_masks(image[None], image, guide, MaskRule(15, 1.7))
    assert masks.uniform
    ranks = np.array([rank_of(n) for n in range(31 * 31 + 1)])
    levels, order = np.unique(image, return_inverse=True)
    places = order.reshape(size).astype(np.int32)
    pair = (places, places[::-1].copy())
    for inverse, ranges in zip((False, True), guide_ranges(masks), strict=True):
        for low, high in ((pair[0], pair[0]), pair):
            ranked = sliding_ranks((low, high), place_of_black(levels), ranges, 15, ranks)
            expected = ranks_in_masks(image[None], masks, 15, ranks, (low[None], high[None]), inverse=inverse)
            assert np.array_equal(ranked[0], expected[0][0])
            assert np.array_equal(ranked[1], expected[1][0])


def test_many_different_values_are_ranked_exactly() -> None:
    image = np.random.default_rng(2).random((40, 300))
    guide, rule = np.full_like(image, 0.5), MaskRule(9, 0.6)
    masks = range_masks(image[None], image, guide, rule)
    opened, _ = range_opening(image[None], image, guide, rule)
    patch = (slice(12, 28), slice(120, 140))
    window = (slice(0, 40), slice(100, 160))
    cut = RangeMasks(
        *(plane[window] for plane in (masks.guide, masks.guide_low, masks.guide_high)),
        *(plane[window] for plane in (masks.grey, masks.grey_low, masks.grey_high)),
        masks.colour_limit,
        masks.uniform,
    )
    expected, _ = by_definition(image[window], cut, 9)
    assert not masks.uniform
    assert np.array_equal(opened[0][patch], expected[12:28, 20:40])


def test_a_window_that_does_not_fit_changes_nothing() -> None:
    image = scene((24, 40))
    opened, closed = range_opening(image[None], image, image, MaskRule(15, 3.0))
    assert np.array_equal(opened[0], image)
    assert np.array_equal(closed[0], image)


def test_values_and_settings_that_cannot_be_ranked_are_refused() -> None:
    image = scene((20, 21))
    broken = np.where(image > image.mean(), np.nan, image)
    with pytest.raises(InputError, match="not finite"):
        range_opening(broken[None], broken, image, MaskRule(4, 3.0))
    with pytest.raises(OptionError, match="0 to 50"):
        range_opening(image[None], image, image, MaskRule(4, 3.0), centile=60)


def test_opening_by_rank_removes_specks_and_keeps_plateaus() -> None:
    image = np.zeros((20, 20))
    image[5:12, 5:12] = 1
    speck = image.copy()
    speck[16, 16] = 1
    assert np.array_equal(opened_by_rank(speck, np.ones((3, 3), bool), 1), image)
