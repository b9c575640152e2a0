"""Rolling guidance: small structures vanish, large ones keep their edges."""

from __future__ import annotations

import numpy as np

from trifuse.filters.energy import choose_energy
from trifuse.filters.rolling_guidance import rolling_guidance


def test_constant_image_is_kept() -> None:
    assert np.allclose(rolling_guidance(np.full((9, 14), 0.3)), 0.3)


def test_speck_vanishes_and_step_stays() -> None:
    image = np.zeros((60, 60))
    image[:, 30:] = 0.8
    image[30, 10] = 0.3
    cartoon = rolling_guidance(image, iterations=4)
    assert cartoon[30, 10] < 0.05
    assert cartoon[15, 33] - cartoon[15, 26] > 0.75


def test_tiny_images_pass() -> None:
    assert np.isfinite(rolling_guidance(np.array([[0.2]]))).all()
    assert np.isfinite(rolling_guidance(np.array([[0.1, 0.9, 0.4]]))).all()


def test_energy_ties_go_to_the_sharper_layer_and_else_to_the_second() -> None:
    flat, rough = np.full((6, 6), 0.5), np.full((6, 6), 0.5)
    rough[3, 3] += 5e-5
    assert (choose_energy(rough, flat) == rough).all()
    assert (choose_energy(flat, flat + 1e-3) == flat + 1e-3).all()
