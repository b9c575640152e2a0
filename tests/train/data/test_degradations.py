"""Small pictures made in other ways: where they lie, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, gaussian_filter

from trifuse.core import resize
from trifuse.train.data import degradations


def blob(centre: tuple[float, float], side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    plane = 200 * np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (2 * 7.0**2))
    return np.repeat(plane[None].astype(np.float32), 3, axis=0)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", degradations.SHRINKS)
def test_the_field_of_view_stays(name: str, scale: int) -> None:
    picture = blob((30.0, 37.5))
    small = degradations.SHRINKS[name](picture, scale, np.random.default_rng(0))
    assert small.shape == (3, 64 // scale, 64 // scale)
    row, column = center_of_mass(small[0])
    assert (row + 0.5) * scale - 0.5 == pytest.approx(30.0, abs=0.1)
    assert (column + 0.5) * scale - 0.5 == pytest.approx(37.5, abs=0.1)
    assert small.sum() * scale**2 == pytest.approx(picture.sum(), rel=0.02)


def test_bicubic_is_the_exact_one_but_for_its_rounding() -> None:
    pixels = np.rint(255 * np.random.default_rng(0).random((3, 32, 32))).astype(np.uint8)
    small = degradations.bicubic(pixels.astype(np.float32), 2, np.random.default_rng(0))
    assert np.abs(small.clip(0, 255) - resize.pillow(pixels, (16, 16))).max() <= 1.01


def test_noise_has_the_deviation_asked_for_and_grey_stays_grey() -> None:
    random = np.random.default_rng(0)
    flat = np.full((3, 80, 80), 100, np.float32)
    noisy = degradations.gaussian_noise(flat, 4.0, random)
    assert noisy.std() == pytest.approx(4.0, rel=0.05)
    assert (noisy == noisy[:1]).all()
    black = degradations.rician_noise(np.zeros((3, 80, 80), np.float32), 4.0, random)
    assert black.mean() == pytest.approx(4 * np.sqrt(np.pi / 2), rel=0.03)  # Rayleigh


def test_drawn_pictures_follow_from_the_generator_and_differ() -> None:
    random = np.random.default_rng(3)
    pixels = np.rint(gaussian_filter(255 * random.random((3, 64, 64)), (0, 2, 2))).astype(np.uint8)
    pixels[:] = pixels[:1]
    drawn = [degradations.drawn(pixels, 4, np.random.default_rng(seed)) for seed in range(12)]
    again = degradations.drawn(pixels, 4, np.random.default_rng(5))
    assert np.array_equal(drawn[5], again)
    assert all(small.shape == (3, 16, 16) and small.min() >= 0 and small.max() <= 255 for small in drawn)
    assert all((small == small[:1]).all() for small in drawn)
    whole = [bool((np.rint(small) == small).all()) for small in drawn]
    assert 0 < sum(whole) < len(drawn)
