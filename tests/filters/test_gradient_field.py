"""Fields of gradients and their integration."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.gradient_field import divergence, energy, integrated, mixed


def random_volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 24, 31), (7, 8, 9)])
def test_gradients_of_one_image_give_it_back(shape: tuple[int, ...]) -> None:
    image = random_volume(*shape)
    field = mixed(image[None], np.ones_like(image[None]))
    for axis in range(3):
        assert np.allclose(np.diff(image, axis=axis), np.take(field[axis], range(shape[axis] - 1), axis=axis))
    assert np.allclose(integrated(field, np.full_like(image, image.mean()), 1e-5), image, atol=1e-3)


def test_the_solution_satisfies_the_normal_equation() -> None:
    field, anchor = random_volume(3, 5, 6, 7), random_volume(5, 6, 7)
    field[0, -1], field[1, :, -1], field[2, :, :, -1] = 0, 0, 0
    u = integrated(field.copy(), anchor, 0.3)
    own = mixed(u[None], np.ones_like(u[None]))
    assert np.allclose(0.3 * u - divergence(own), 0.3 * anchor - divergence(field), atol=1e-4)


def test_energy_is_the_smoothed_square_of_the_gradient() -> None:
    ramp = np.broadcast_to(np.arange(20, dtype=np.float32) * 0.5, (1, 12, 20)).copy()
    assert np.allclose(energy(ramp)[0, :, :15], 0.25)
