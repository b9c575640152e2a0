"""Geometry between RAS arrays and SimpleITK: every voxel keeps its value and its place."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trifuse.align.grid import lps
from trifuse.align.itk import resampled
from trifuse.core.image import Image, Modality
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


@given(affine=affines())
@settings(max_examples=20, deadline=None)
def test_resampling_onto_any_orientation_keeps_positions(affine: np.ndarray) -> None:
    """A linear ramp in mm is resampled exactly, whichever way the grid lies."""
    source = np.diag([4.0, 4, 4, 1])
    source[:3, 3] = -120
    corners = np.stack(np.meshgrid(*[np.arange(61)] * 3, indexing="ij"), axis=-1) @ source[:3, :3].T + source[:3, 3]
    gradient = np.array([0.5, -1.0, 2.0])
    ramp = Image.from_native((corners @ gradient).astype(np.float32)[None], affine=source)
    affine[:3, :3] *= np.minimum(1, 5 / np.linalg.norm(affine[:3, :3], axis=0))
    affine[:3, 3] = -affine[:3, :3] @ [2, 2.5, 3]
    grid = Image(np.zeros((1, 5, 6, 7), np.float32), affine=affine)
    identity = sitk.Transform(3, sitk.sitkIdentity)
    moved = resampled(ramp, grid, identity, lps(ramp.affine), lps(grid.affine))
    indices = np.stack(np.meshgrid(*map(np.arange, grid.space), indexing="ij"), axis=-1)
    expected = (indices @ affine[:3, :3].T + affine[:3, 3]) @ gradient
    assert moved.native()[0] == pytest.approx(expected, abs=1e-3)
    assert moved.space == grid.space
    low, high = moved.window
    assert low + moved.pixels[0] * (high - low) == pytest.approx(expected, abs=1e-3)


def test_two_dimensions() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    matrix = np.array([[0.0, -2, 5], [3, 0, 7], [0, 0, 1]])
    image = itk_image(values, matrix)
    assert image.TransformIndexToPhysicalPoint((1, 2)) == pytest.approx((1.0, 10.0))
    assert image[(1, 2)] == values[1, 2]
    assert image.GetOrigin() == pytest.approx((5.0, 7.0))
    assert image.GetSpacing() == pytest.approx((3.0, 2.0))


def test_beyond_the_field_of_view_is_dark_in_native_units() -> None:
    ct = Image.from_native(np.full((1, 4, 4, 4), -1000, np.int16), window=(-160, 240), affine=np.eye(4))
    far = np.eye(4)
    far[:3, 3] = 100
    grid = Image(np.zeros((1, 4, 4, 4), np.float32), affine=far)
    moved = resampled(ct, grid, sitk.Transform(3, sitk.sitkIdentity), lps(ct.affine), lps(far))
    assert (moved.native() == -1000).all()
    assert (moved.pixels == 0).all()
    pet = Image.from_native(np.full((1, 4, 4, 4), 3.5, np.float32), affine=np.eye(4), modality=Modality.PET)
    moved = resampled(pet, grid, sitk.Transform(3, sitk.sitkIdentity), lps(pet.affine), lps(far))
    assert (moved.native() == 0).all()  # its darkest voxel is no measure of what lies beyond
    assert (moved.pixels == 0).all()
    bright = Image.from_native(np.array([[[0, 50], [100, 50]]], np.float32), window=(100, 0))
    away = Image(np.zeros((1, 2, 2), np.float32))
    shift = sitk.TranslationTransform(2, (50.0, 50.0))
    moved = resampled(bright, away, shift, np.eye(3), np.eye(3))
    assert (moved.native() == 100).all()


def test_a_coarser_grid_averages_instead_of_skipping() -> None:
    stripes = np.zeros((1, 64, 64, 4), np.float32)
    stripes[:, ::4] = 1
    image = Image(stripes, affine=np.eye(4))
    coarse = np.diag([4.0, 4, 1, 1])
    grid = Image(np.zeros((1, 16, 16, 4), np.float32), affine=coarse)
    moved = resampled(image, grid, sitk.Transform(3, sitk.sitkIdentity), lps(np.eye(4)), lps(coarse))
    assert moved.pixels[:, 2:-2].max() < 0.3
    assert moved.pixels[:, 2:-2].mean() == pytest.approx(0.25, abs=0.02)
