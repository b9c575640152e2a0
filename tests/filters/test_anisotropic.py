"""The anisotropic Gaussian against its definition, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.filters.anisotropic import AnisotropicGaussian, anisotropic_gaussian
from trifuse.filters.structure_tensor import StructureTensor, structure_tensor

ALPHA = 0.6


def by_definition(
    image: NDArray[np.float64], extent: float, threshold: float, tensor: StructureTensor
) -> NDArray[np.float64]:
    height, width = image.shape
    half = int(extent)
    k = np.minimum(tensor.anisotropy**2 / ALPHA**2, 1.2)
    phi = np.mod(1.5 * np.pi - tensor.direction, np.pi)
    corner = np.zeros_like(k) if tensor.corner is None else np.minimum(tensor.corner, 0.65) / 0.65
    filtered = np.empty_like(image)
    for p in np.ndindex(height, width):
        total = share = 0.0
        for q in np.ndindex(height, width):
            u, v = q[0] - p[0], q[1] - p[1]
            if max(abs(u), abs(v)) > half or not abs(image[p] - image[q]) < threshold:
                continue
            distance = np.hypot(u, v)
            weight = np.exp(-((2 * distance / extent) ** 2))
            for end in (p, q):
                weight /= (
                    1 + abs(v * k[end] * np.cos(phi[end]) - u * k[end] * np.sin(phi[end])) + distance * corner[end]
                )
            total += weight * image[q]
            share += weight
        filtered[p] = total / share
    return filtered


@pytest.mark.parametrize(("threshold", "corner"), [(9.0, False), (0.4, True)])
def test_it_is_its_definition(threshold: float, corner: bool) -> None:
    image = np.random.default_rng(0).random((13, 9))
    tensor = structure_tensor(image, 4.3, corner=corner)
    filtered = anisotropic_gaussian(image, 4.3, ALPHA, threshold, tensor)
    assert np.abs(filtered - by_definition(image, 4.3, threshold, tensor)).max() < 1e-12


def test_several_images_at_once_are_each_alone() -> None:
    images = np.random.default_rng(1).random((3, 40, 31))
    tensor = structure_tensor(images[0], 6.0)
    together = anisotropic_gaussian(images, 6.0, ALPHA, 0.3, tensor)
    alone = [anisotropic_gaussian(image, 6.0, ALPHA, 0.3, tensor) for image in images]
    assert np.array_equal(together, np.stack(alone))


def test_weights_summed_up_once_serve_the_next_images() -> None:
    images = np.random.default_rng(3).random((4, 33, 20))
    smooth = AnisotropicGaussian(5.0, ALPHA, structure_tensor(images[0], 5.0))
    parts = [smooth(images[0], 9.0), *smooth(images[1:3], 9.0), smooth(images[3], 0.3), smooth(images[3], 9.0)]
    expected = [
        anisotropic_gaussian(images[index], 5.0, ALPHA, threshold, structure_tensor(images[0], 5.0))
        for index, threshold in ((0, 9.0), (1, 9.0), (2, 9.0), (3, 0.3), (3, 9.0))
    ]
    assert np.array_equal(parts, expected)


def test_a_window_larger_than_the_image_is_clipped() -> None:
    image = np.random.default_rng(2).random((3, 5))
    tensor = structure_tensor(image, 18.0)
    filtered = anisotropic_gaussian(image, 18.0, ALPHA, 0, tensor)
    assert np.abs(filtered - by_definition(image, 18.0, 1e10, tensor)).max() < 1e-12


def test_an_extent_below_one_changes_nothing() -> None:
    image = np.random.default_rng(3).random((6, 7))
    assert np.array_equal(anisotropic_gaussian(image, 0.9, ALPHA, 0, structure_tensor(image, 0.9)), image)
