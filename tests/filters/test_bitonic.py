"""The bitonic X filter: what it removes, what it keeps, and what it does with odd input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.filters.bitonic import Bitonic, automatic_half_width, bitonic, bitonic_layers
from trifuse.filters.noise_estimate import noise_estimate


def disc(size: int = 64) -> NDArray[np.float64]:
    r, c = np.mgrid[:size, :size]
    return np.where(np.hypot(r - size / 2, c - size / 2) < size / 3, 0.75, 0.25)


def noisy(deviation: float, seed: int = 0) -> NDArray[np.float64]:
    clean = disc()
    return clean + np.random.default_rng(seed).normal(0, deviation, clean.shape)


def test_noise_goes_and_the_edge_stays() -> None:
    filtered = bitonic(noisy(0.06))
    assert np.abs(filtered - disc()).mean() < 0.35 * np.abs(noisy(0.06) - disc()).mean()
    assert filtered[32, 4:10].max() < 0.35
    assert filtered[32, 12:18].min() > 0.65


@pytest.mark.parametrize("threshold", [None, 3.0, 0.2])
@pytest.mark.parametrize("level", [0.0, 0.4])
def test_a_constant_image_is_returned(level: float, threshold: float | None) -> None:
    image = np.full((40, 35), level)
    assert np.abs(bitonic(image, Bitonic(threshold=threshold)) - level).max() < 1e-12


def test_dtype_and_shape_are_kept() -> None:
    grey = (255 * np.clip(noisy(0.05), 0, 1)).astype(np.uint8)
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    for image in (grey, colour, grey.astype(np.int32), noisy(0.05).astype(np.float32)):
        filtered = bitonic(image, Bitonic(half_width=4))
        assert filtered.shape == image.shape
        assert filtered.dtype == image.dtype


def test_the_smaller_error_has_the_larger_say() -> None:
    layers = bitonic_layers(noisy(0.05), Bitonic(threshold=3.0))
    least = np.minimum(layers.opened + layers.error_open, layers.closed - layers.error_close)
    most = np.maximum(layers.opened + layers.error_open, layers.closed - layers.error_close)
    assert (layers.filtered >= least[0] - 1e-12).all()
    assert (layers.filtered <= most[0] + 1e-12).all()
    assert (layers.opened <= layers.closed + 1e-12).mean() > 0.9


def test_windows_grow_with_noise() -> None:
    widths = [automatic_half_width(threshold, 1.0) for threshold in (0.0, 0.01, 0.05, 0.2, 3.0)]
    assert widths == sorted(widths)
    assert (widths[0], widths[-1]) == (3, 15)


@pytest.mark.parametrize("deviation", [0.02, 0.1])
def test_noise_is_estimated(deviation: float) -> None:
    estimate, noise = noise_estimate(noisy(deviation))
    assert abs(estimate - deviation) < 0.3 * deviation
    assert np.isclose(noise.mean(), estimate)


def test_noise_of_a_small_image_is_estimated_with_a_smaller_disc() -> None:
    estimate, _ = noise_estimate(np.random.default_rng(0).normal(0, 0.1, (11, 9)))
    assert 0.02 < estimate < 0.2
