"""Geometry between RAS arrays and SimpleITK: every voxel keeps its value and its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trifuse.align.grid import lps
from trifuse.core.itk import itk_image, itk_values


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Oblique, flipped, permuted and anisotropic affines, RAS."""
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True).as_matrix()
    order = draw(st.permutations(range(3)))
    flips = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    spacing = draw(st.tuples(*[st.floats(0.2, 8)] * 3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, list(order)] * np.array(flips) * np.array(spacing)
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return affine


@given(affine=affines(), index=st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)))
@settings(max_examples=60, deadline=None)
def test_voxels_keep_value_and_place(affine: np.ndarray, index: tuple[int, int, int]) -> None:
    values = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    image = itk_image(values, lps(affine))
    place = np.array([-1, -1, 1]) * image.TransformIndexToPhysicalPoint(index)
    assert place == pytest.approx((affine @ [*index, 1])[:3], abs=1e-6)
    assert image[index] == values[index]
    assert np.array_equal(itk_values(image), values)


def test_two_dimensions() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    matrix = np.array([[0.0, -2, 5], [3, 0, 7], [0, 0, 1]])
    image = itk_image(values, matrix)
    assert image.TransformIndexToPhysicalPoint((1, 2)) == pytest.approx((1.0, 10.0))
    assert image[(1, 2)] == values[1, 2]
    assert image.GetOrigin() == pytest.approx((5.0, 7.0))
    assert image.GetSpacing() == pytest.approx((3.0, 2.0))


def test_vectors_keep_their_channels_last() -> None:
    values = np.arange(3 * 4 * 2, dtype=np.uint8).reshape(3, 4, 2)
    image = itk_image(values, np.diag([2.0, 3, 1]))
    assert image.GetSize() == (3, 4)
    assert image[(2, 1)] == tuple(values[2, 1])
