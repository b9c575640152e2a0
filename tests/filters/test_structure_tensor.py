"""The structure tensor on images whose directions are known."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.structure_tensor import gaussian, gaussian_weights, gradients, structure_tensor


@pytest.mark.parametrize("extent", [0.5, 1.0, 1.2, 2.6, 7.2, 18.0])
def test_gaussian_weights_are_normalised_and_symmetric(extent: float) -> None:
    weights = gaussian_weights(extent)
    assert weights.size == 2 * int(extent) + 1
    assert np.isclose(weights.sum(), 1)
    assert np.array_equal(weights, weights[::-1])


def test_flat_parts_have_exactly_no_gradient() -> None:
    image = np.full((30, 40), 0.1)
    image[:, 30:] = 0.7
    x, y = gradients(gaussian(image, 3.0))
    assert (x[:, :20] == 0).all()
    assert (y == 0).all()
    assert np.abs(x).max() > 0


@pytest.mark.parametrize("turn", [0, 1])
def test_stripes_have_one_direction(turn: int) -> None:
    stripes = np.rot90(np.tile(np.sin(np.arange(48) / 2), (48, 1)), turn)
    tensor = structure_tensor(stripes, 6.0)
    inner = (slice(8, -8), slice(8, -8))
    across = np.abs(np.cos(tensor.direction[inner]))
    assert tensor.anisotropy[inner].min() > 0.95
    assert across.max() < 0.05 if turn == 0 else across.min() > 0.95


def test_a_constant_image_has_no_direction_and_no_corner() -> None:
    tensor = structure_tensor(np.full((20, 21), 0.4), 5.0, corner=True)
    assert not tensor.anisotropy.any()
    assert tensor.corner is not None
    assert not tensor.corner.any()


def test_the_corner_of_a_square_stands_out() -> None:
    image = np.zeros((64, 64))
    image[20:44, 20:44] = 1
    tensor = structure_tensor(image, 5.0, corner=True)
    assert tensor.corner is not None
    assert tensor.corner[20, 20] > 10 * tensor.corner[20, 32]
