"""The lattice of control points: one deformation, whichever way it is written."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from trifuse.align.bsplines import Lattice
from trifuse.align.similarity import Picture

MATRICES = {
    2: np.array([[0.0, -2, 5], [3, 0, 7], [0, 0, 1]]),
    3: np.array([[0.0, 0, 4, -30], [-2, 0, 0, 20], [0, 3, 0, 9], [0, 0, 0, 1]]),
}


def lattice(dims: int) -> Lattice:
    still = Lattice.still((2, 3, 4)[:dims])
    values = np.random.default_rng(0).standard_normal(still.displacements.shape) * 5
    return Lattice(torch.from_numpy(values).float(), still.cells)


def moves(transform: sitk.Transform, picture: Picture) -> np.ndarray:
    """Displacements in mm at a few places of a picture's field of view."""
    indices = np.random.default_rng(1).uniform(0, np.array(picture.values.shape) - 1, (20, picture.dims))
    points = indices @ picture.matrix[:-1, :-1].T + picture.matrix[:-1, -1]
    return np.array([np.array(transform.TransformPoint(p.tolist())) - p for p in points])


@pytest.mark.parametrize("dims", [2, 3])
def test_halved_cells_bend_space_alike(dims: int) -> None:
    picture = Picture(np.zeros((12, 14, 11)[:dims], np.float32), MATRICES[dims])
    coarse = lattice(dims)
    fine = coarse.halved()
    assert fine.cells == tuple(2 * n for n in coarse.cells)
    before = moves(coarse.transform(picture), picture)
    assert np.abs(before).max() > 1
    assert moves(fine.transform(picture), picture) == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_there_and_back(dims: int) -> None:
    picture = Picture(np.zeros((12, 14, 11)[:dims], np.float32), MATRICES[dims])
    again = Lattice.of(lattice(dims).transform(picture))
    assert again.cells == lattice(dims).cells
    assert torch.allclose(again.displacements, lattice(dims).displacements)
