"""Halving and doubling with Catmull-Rom kernels."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.pyramid import prolong, restrict


@pytest.mark.parametrize("size", [(31, 36), (40, 33), (5, 5)])
def test_sizes(size: tuple[int, int]) -> None:
    smaller = restrict(np.zeros(size))
    assert smaller.shape == tuple((n + 1) // 2 if n % 2 else n // 2 + 1 for n in size)
    assert prolong(smaller, size).shape == size


def test_smooth_images_survive() -> None:
    r, c = np.mgrid[:41, :53]
    image = np.sin(r / 9) + np.cos(c / 8)
    back = prolong(restrict(image), image.shape)
    assert np.abs(back - image)[4:-4, 4:-4].max() < 0.02
