"""Resampling from grid to grid: positions, the outside, coarser grids."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings

from tests.core.test_itk import affines
from trifuse.align.grid import lps
from trifuse.align.itk import resampled
from trifuse.core.image import Image, Modality


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
