"""Free-form deformation: a lattice of control points that bends one picture until it explains the other.

    T(x) = A(x + u(x)),  u(x) = sum_c beta3(x - c) d_c

A is the affine map found before, beta3 the cubic B-spline, d_c the displacement of control point c in mm. Minimised by
L-BFGS over the tissue, from coarse to fine (the lattice halves its cells from level to level):

    -MI(fixed(x), moving(T(x))) + lambda E,  E = mean over cells of (second differences of d)^2 / cell^2

MI is taken from a joint histogram into which every voxel falls by cubic B-splines along the moving grey axis and
linearly along the fixed one, so that it can be differentiated. All voxels count, none is drawn at random.

Sources: D. Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 18(8), 1999 (eqs. 2 to 8);
P. Thevenaz and M. Unser, Optimization of mutual information for multiresolution image registration, IEEE TIP 9(12),
2000 (the histogram).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trifuse.align.similarity import Pair, Picture, region_of

BINS = 32
"""Grey levels of the joint histogram."""

STIFFNESS = 2.0
"""Weight lambda of the bending term, against mutual information in nats."""

EVALUATIONS = 80
"""Of the cost at most, per level."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Control points over the field of view of the fixed picture.

    Attributes:
        displacements: float32 `(d, *points)`, mm in world axes.
        cells: number of cells along each axis; there are three more points than cells.
    """

    displacements: Tensor
    cells: tuple[int, ...]

    @classmethod
    def still(cls, cells: tuple[int, ...]) -> Lattice:
        """Nothing moves."""
        return cls(torch.zeros(len(cells), *(n + 3 for n in cells)), cells)

    @classmethod
    def of(cls, spline: sitk.Transform) -> Lattice:
        """The inverse of `transform`."""
        spline = sitk.BSplineTransform(spline)
        cells = tuple(int(n) for n in spline.GetTransformDomainMeshSize())
        points = tuple(n + 3 for n in cells)
        parts = np.array(spline.GetParameters(), dtype=np.float32).reshape(len(cells), -1)
        return cls(torch.from_numpy(np.stack([part.reshape(points, order="F") for part in parts])), cells)

    def halved(self) -> Lattice:
        """The same deformation by cells of half the width: splines of both lie in one space (two-scale relation)."""
        finer = self.displacements
        for axis, count in enumerate(self.cells):
            places = np.linspace(0, count, 16 * count + 1)
            coarse, fine = _basis(places, count), _basis(2 * places, 2 * count)
            matrix = torch.from_numpy(np.linalg.lstsq(fine, coarse, rcond=None)[0]).float()
            finer = _along(finer, matrix, axis + 1)
        return Lattice(finer.contiguous(), tuple(2 * n for n in self.cells))

    def transform(self, fixed: Picture) -> sitk.Transform:
        """The same as a SimpleITK transform: points of the fixed picture's world -> displaced points."""
        dims = fixed.dims
        spline = sitk.BSplineTransform(dims, 3)
        corner = fixed.matrix @ [*[-0.5] * dims, 1.0]
        spline.SetTransformDomainOrigin([float(x) for x in corner[:dims]])
        spline.SetTransformDomainDirection([float(x) for x in (fixed.matrix[:dims, :dims] / fixed.spacing).ravel()])
        spline.SetTransformDomainPhysicalDimensions([float(x) for x in fixed.spacing * fixed.values.shape])
        spline.SetTransformDomainMeshSize(list(self.cells))
        spline.SetParameters([float(x) for part in self.displacements for x in part.numpy().ravel(order="F")])
        return spline


def deformed(pair: Pair, affine: sitk.Transform, lattice: Lattice, factor: int) -> Lattice:
    """A lattice improved at one level of a pair (see `Pair.level`), on top of an affine map."""
    fixed, moving = pair.level(factor)
    cost = _Cost.of(fixed, moving, affine, lattice.cells)
    moved = lattice.displacements.clone().requires_grad_()
    search = torch.optim.LBFGS(
        [moved], lr=1, max_iter=EVALUATIONS, max_eval=EVALUATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        search.zero_grad()
        value = cost(moved)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    search.step(closure)  # type: ignore[no-untyped-call]
    return Lattice(moved.detach(), lattice.cells)


@dataclass(frozen=True, eq=False)
class _Cost:
    """What is minimised, as a function of the control points' displacements.

    Attributes:
        bases: `(voxels, points)` of each axis: the B-splines at the fixed picture's voxels.
        region: flat numbers of the fixed voxels that count.
        start: `(n, d)` indices in the moving picture at which they are found undeformed.
        turn: `(d, d)`, mm of displacement -> indices of the moving picture.
        moving: `(1, 1, *reversed space)`.
        shares: `(n, 2)` and `levels` `(n, 2)`: into which fixed grey levels they fall, and how much.
        cell: width of the cells along each axis, mm.
    """

    bases: tuple[Tensor, ...]
    region: Tensor
    start: Tensor
    turn: Tensor
    moving: Tensor
    shares: Tensor
    levels: Tensor
    cell: NDArray[np.float64]

    @classmethod
    def of(cls, fixed: Picture, moving: Picture, affine: sitk.Transform, cells: tuple[int, ...]) -> _Cost:
        dims = fixed.dims
        inside = region_of(fixed, moving, affine)
        points = fixed.points(inside)
        matrix, shift = _linear(affine)
        to_index = np.linalg.inv(moving.matrix)
        placed = points @ matrix.T + shift
        start = placed @ to_index[:dims, :dims].T + to_index[:dims, dims]
        grey = torch.from_numpy(fixed.values[inside]).clamp(0, 1) * (BINS - 1)
        low = grey.floor().clamp(max=BINS - 2)
        counts = fixed.values.shape
        places = [(np.arange(n) + 0.5) * m / n for n, m in zip(counts, cells, strict=True)]
        return cls(
            bases=tuple(torch.from_numpy(_basis(p, m)).float() for p, m in zip(places, cells, strict=True)),
            region=torch.from_numpy(np.flatnonzero(inside)),
            start=torch.from_numpy(start).float(),
            turn=torch.from_numpy(to_index[:dims, :dims] @ matrix).float(),
            moving=torch.from_numpy(np.ascontiguousarray(moving.values.T))[None, None].clamp(0, 1),
            shares=torch.stack([1 - (grey - low), grey - low], dim=1),
            levels=torch.stack([low, low + 1], dim=1).long(),
            cell=fixed.spacing * np.array(counts) / np.array(cells),
        )

    def __call__(self, moved: Tensor) -> Tensor:
        field = moved
        for axis, basis in enumerate(self.bases):
            field = _along(field, basis, axis + 1)
        shift = field.flatten(1)[:, self.region].T
        return -self._information(self.start + shift @ self.turn.T) + STIFFNESS * self._bending(moved)

    def _information(self, index: Tensor) -> Tensor:
        """Mutual information in nats of the fixed voxels and the moving picture at `index` `(n, d)`."""
        size = torch.tensor(self.moving.shape[:1:-1])
        place = (2 * index / (size - 1) - 1)[(None,) * index.shape[1]]
        grey = functional.grid_sample(self.moving, place, align_corners=True, padding_mode="border").flatten()
        seen = ((index > -0.5) & (index < size - 0.5)).all(dim=1).float()
        at = 1 + grey * (BINS - 4)
        low = at.detach().floor().clamp(1, BINS - 3)
        weights = _cubic(at - low) * seen[:, None]
        joint = torch.zeros(BINS * BINS)
        for share, level in zip(self.shares.T, self.levels.T, strict=True):
            for step, weight in enumerate(weights.T, start=-1):
                joint = joint.index_add(0, level * BINS + low.long() + step, share * weight)
        joint = (joint / joint.sum()).view(BINS, BINS)
        alone = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
        return (joint * torch.log((joint + 1e-12) / (alone + 1e-12))).sum()

    def _bending(self, moved: Tensor) -> Tensor:
        """Mean squared second differences of the displacements, in cells (Rueckert, eq. 8, on the lattice)."""
        total = moved.new_zeros(())
        dims = len(self.cell)
        for one in range(dims):
            for other in range(one, dims):
                width = float(np.sqrt(self.cell[one] * self.cell[other]))
                curved = moved.diff(dim=one + 1).diff(dim=other + 1) / width
                total = total + (1 if one == other else 2) * curved.square().sum(0).mean()
        return total


def _basis(places: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Cubic B-splines `(places, cells + 3)` at places counted in cells; point c lies at c - 1."""
    distance = np.abs(places[:, None] - (np.arange(cells + 3) - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance) ** 3 / 6
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))


def _cubic(t: Tensor) -> Tensor:
    """Cubic B-spline weights `(n, 4)` of the levels at -1, 0, 1, 2 from a place at 0 <= t <= 1."""
    return torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1) / 6


def _along(values: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """`matrix` applied along one axis."""
    applied: Tensor = torch.tensordot(values, matrix, dims=([axis], [1])).movedim(-1, axis)
    return applied


def _linear(affine: sitk.Transform) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and shift of a rigid or affine transform."""
    dims = affine.GetDimension()
    shift = np.array(affine.TransformPoint([0.0] * dims))
    columns = [np.array(affine.TransformPoint([float(x) for x in unit])) - shift for unit in np.eye(dims)]
    return np.stack(columns, axis=1), shift
