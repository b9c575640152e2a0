"""The resize of MATLAB."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.core.resize import matlab


def test_scale_1_is_the_identity() -> None:
    image = np.random.default_rng(0).random((7, 9))
    assert np.allclose(matlab(image, 1), image)


def test_linear_ramp_stays_one_inside() -> None:
    ramp = np.arange(20.0)[None].repeat(5, axis=0)
    doubled = matlab(ramp, 2)
    assert np.allclose(doubled[4, 4:-4], (np.arange(40) + 0.5)[4:-4] / 2 - 0.5)


def test_zero_border_darkens_the_margin_only() -> None:
    ones = np.ones((10, 10))
    assert np.allclose(matlab(ones, 3), 1)
    zeros = matlab(ones, 3, border="zeros")
    assert np.allclose(zeros[6:-6, 6:-6], 1)
    assert zeros[0, 0] != 1


def test_sizes_of_any_ratio_and_leading_axes() -> None:
    images = np.random.default_rng(1).random((2, 3, 11, 8))
    assert matlab(images, size=(5, 16)).shape == (2, 3, 5, 16)
    assert np.allclose(matlab(images, (0.5, 2.0))[1, 2], matlab(images[1, 2], (0.5, 2.0)))
    assert matlab(images, 0.3).shape == (2, 3, 4, 3)


def test_scale_or_size() -> None:
    with pytest.raises(ValueError, match="either scale or size"):
        matlab(np.zeros((3, 3)))
