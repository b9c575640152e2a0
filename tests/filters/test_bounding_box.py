"""Filters look only at where an image holds something, which must not be seen in what they say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.filters.anisotropic import anisotropic_gaussian
from trifuse.filters.bounding_box import bounding_box
from trifuse.filters.range_mask import MaskRule
from trifuse.filters.rank_opening import range_opening
from trifuse.filters.structure_tensor import gaussian, structure_tensor

FAINT = 1e-200
"""Not nothing, and too little to change a sum."""


def head(place: tuple[int, int]) -> NDArray[np.float64]:
    """A picture that is black but for a noisy disc."""
    random = np.random.default_rng(sum(place))
    rows, columns = np.mgrid[:70, :90]
    return (np.hypot(rows - place[0], columns - place[1]) < 15) * random.uniform(0.1, 1, (70, 90))


def with_faint_corners(image: NDArray[np.float64]) -> NDArray[np.float64]:
    marked = image.copy()
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        marked[corner] = max(marked[corner], FAINT)
    return marked


def test_the_box_holds_all_that_is_not_nothing() -> None:
    image = np.zeros((2, 20, 30))
    image[0, 7, 4], image[1, 9, 29] = 1, -1
    assert bounding_box(image, 0) == (slice(7, 10), slice(4, 30))
    assert bounding_box(image, 5) == (slice(2, 15), slice(0, 30))
    assert bounding_box(image * 0, 5) == (slice(0, 0), slice(0, 0))


@pytest.mark.parametrize("place", [(35, 45), (10, 80), (0, 0)])
def test_the_anisotropic_gaussian_is_that_of_the_whole_image(place: tuple[int, int]) -> None:
    image = head(place)
    tensor = structure_tensor(image, 5.0)
    parts = [anisotropic_gaussian(each, 5.0, 0.6, 0.4, tensor) for each in (image, with_faint_corners(image))]
    np.testing.assert_allclose(*parts, rtol=1e-12, atol=1e-15)
    assert (parts[0] != 0).sum() > (image != 0).sum()


@pytest.mark.parametrize("place", [(35, 45), (10, 80), (0, 0)])
def test_openings_are_those_of_the_whole_image(place: tuple[int, int]) -> None:
    image = head(place)
    rule = MaskRule(5, 0.2)
    whole, boxed = (
        range_opening(each[None], each, gaussian(image, 2.0), rule, 8.0) for each in (with_faint_corners(image), image)
    )
    for one, other in zip(whole, boxed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-15)


def test_nothing_stays_nothing() -> None:
    black = np.zeros((40, 40))
    assert (anisotropic_gaussian(black, 5.0, 0.6, 0.4, structure_tensor(black, 5.0)) == 0).all()
