"""How well two pictures fit: grey values in one space, where their tissue is, and their mutual information."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from trifuse.align.grid import Matrix
from trifuse.core.itk import itk_image, itk_values

SEED = 20091
"""Of the random sampling: equal images give equal registrations."""

BINS = (8, 32)
"""Fewest and most grey levels of the joint histogram; a small picture cannot fill many."""

SAMPLES = 60_000
"""Voxels at most that one evaluation of the metric looks at."""

FINEST_VOXELS = 600_000
"""Size of the finest grid that is compared; larger images are thinned out to it."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Grey values `(*space)` to register by, and where they lie: indices -> world (d + 1, d + 1)."""

    values: NDArray[np.float32]
    matrix: Matrix

    @property
    def dims(self) -> int:
        """2 or 3."""
        return self.values.ndim

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """Distance between neighbouring voxels along each axis, in mm."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.matrix[: self.dims, : self.dims], axis=0)
        return lengths

    def points(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """World coordinates `(n, d)` of the voxels of a mask."""
        indices = np.argwhere(mask)
        return np.asarray(indices @ self.matrix[: self.dims, : self.dims].T + self.matrix[: self.dims, self.dims])

    def coarser(self, smooth_mm: float, grid_mm: float) -> Picture:
        """Smoothed (standard deviation in mm) and thinned out to at most `grid_mm`, keeping four voxels an axis."""
        sigma = [smooth_mm / s if s < grid_mm else 0.0 for s in self.spacing]
        smooth = ndimage.gaussian_filter(self.values, sigma, mode="nearest", truncate=3)
        counts = zip(self.spacing, self.values.shape, strict=True)
        steps = [max(1, min(int(grid_mm / s + 1e-6), n // 4)) for s, n in counts]
        thinned = smooth[tuple(slice(None, None, step) for step in steps)]
        return Picture(thinned, self.matrix @ np.diag([*steps, 1.0]))

    @cached_property
    def foreground(self) -> NDArray[np.bool_]:
        """Tissue: brighter than half of Otsu's threshold, holes filled; everything if that is next to nothing."""
        otsu = sitk.OtsuThresholdImageFilter()
        otsu.Execute(itk_image(self.values, np.eye(self.dims + 1)))
        mask = ndimage.binary_fill_holes(self.values > otsu.GetThreshold() / 2)
        assert mask is not None
        return mask if mask.mean() > 0.01 else np.ones_like(mask)


class Pair:
    """The two pictures, coarse enough to be compared quickly: what quality is measured on."""

    def __init__(self, fixed: Picture, moving: Picture) -> None:
        self.extent = fixed.spacing * np.array(fixed.values.shape)
        natural = float(np.prod(fixed.spacing) ** (1 / fixed.dims))
        self.finest = max(natural, float((np.prod(self.extent) / FINEST_VOXELS) ** (1 / fixed.dims)))
        self._whole = (_stretched(fixed), _stretched(moving))
        self.fixed, self.moving = self.level(2)

    def level(self, factor: int) -> tuple[Picture, Picture]:
        """Both pictures at `factor` times the finest grid."""
        grid_mm = factor * self.finest
        fixed, moving = self._whole
        smooth_mm = 0.5 * grid_mm if factor > 1 else 0.0
        return fixed.coarser(smooth_mm, grid_mm), moving.coarser(smooth_mm, grid_mm / 2 if factor > 1 else grid_mm)

    def overlap(self, transform: sitk.Transform, *, seen: bool = False) -> float:
        """Common tissue as a share of the smaller of the two tissue regions, or of what both fields of view show."""
        own = self.fixed.foreground
        other = _on(self.moving.foreground, self.moving, self.fixed, transform)
        voxel = float(np.prod(self.fixed.spacing))
        common = float((own & other).sum()) * voxel
        if seen:
            smaller = float(min((own & self.view(transform)).sum(), other.sum())) * voxel
        else:
            smaller = min(float(p.foreground.sum() * np.prod(p.spacing)) for p in (self.fixed, self.moving))
        return min(1.0, common / smaller) if smaller else 0.0

    def covered(self, transform: sitk.Transform) -> float:
        """Share of the fixed picture's tissue that lies in the field of view of the moving one."""
        return float(self.view(transform)[self.fixed.foreground].mean())

    def view(self, transform: sitk.Transform) -> NDArray[np.bool_]:
        """The field of view of the moving picture on the grid of the fixed one."""
        return _on(np.ones_like(self.moving.foreground), self.moving, self.fixed, transform)

    def displacement(self, transform: sitk.Transform) -> tuple[float, float]:
        """Mean and largest distance between where tissue lies and where it was placed, in mm."""
        points = self.fixed.points(self.fixed.foreground)
        points = points[:: max(1, len(points) // 2000)]
        moved = np.array([transform.TransformPoint([float(x) for x in point]) for point in points])
        distances = np.linalg.norm(moved - points, axis=1)
        return float(distances.mean()), float(distances.max())

    def information(self, *transforms: sitk.Transform) -> list[float]:
        """Mutual information in nats after each transform, over the tissue that either picture has in any of them."""
        region = region_of(self.fixed, self.moving, *transforms)
        found = []
        for transform in transforms:
            method = mutual_information(self.fixed, region)
            method.SetInitialTransform(transform)
            found.append(-float(method.MetricEvaluate(*itk_pair(self.fixed, self.moving))))
        return found


def _stretched(picture: Picture) -> Picture:
    """Contrast of the tissue spread over 0..1, so that a few hot voxels do not use up the histogram's bins."""
    inside = picture.values[picture.values > picture.values.min()]
    low, high = np.percentile(inside, [0.5, 99.5]) if inside.size else (0.0, 1.0)
    low = min(float(low), float(picture.values.min()))
    span = max(float(high) - low, 1e-12)
    return replace(picture, values=np.clip((picture.values - low) / span, 0, 1).astype(np.float32))


def itk_pair(fixed: Picture, moving: Picture) -> tuple[sitk.Image, sitk.Image]:
    """Both as SimpleITK images."""
    return itk_image(fixed.values, fixed.matrix), itk_image(moving.values, moving.matrix)


def _on(mask: NDArray[np.bool_], moving: Picture, fixed: Picture, transform: sitk.Transform) -> NDArray[np.bool_]:
    """A mask of the moving picture on the grid of the fixed one."""
    image, reference = itk_image(mask.astype(np.uint8), moving.matrix), itk_image(fixed.values, fixed.matrix)
    return np.asarray(itk_values(sitk.Resample(image, reference, transform, sitk.sitkNearestNeighbor, 0)) > 0)


def region_of(fixed: Picture, moving: Picture, *transforms: sitk.Transform) -> NDArray[np.bool_]:
    """Tissue of either picture and a margin around it, on the fixed one's grid."""
    region = fixed.foreground.copy()
    for transform in transforms:
        region |= _on(moving.foreground, moving, fixed, transform)
    return np.asarray(ndimage.binary_dilation(region, iterations=2))


def mutual_information(fixed: Picture, region: NDArray[np.bool_]) -> sitk.ImageRegistrationMethod:
    """Mattes mutual information over a region of the fixed picture."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(int(np.clip(region.sum() ** 0.5 / 3, *BINS)))
    method.SetMetricFixedMask(itk_image(region.astype(np.uint8), fixed.matrix))
    method.SetInterpolator(sitk.sitkLinear)
    share = SAMPLES / max(1, int(region.sum()))
    if share < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(share, SEED)
    return method


def by_conjugate_gradients(method: sitk.ImageRegistrationMethod, *, iterations: int, step_mm: float) -> None:
    """Lets a registration climb by conjugate gradients with a line search, no step longer than `step_mm`."""
    method.SetOptimizerAsConjugateGradientLineSearch(
        learningRate=1.0,
        numberOfIterations=iterations,
        convergenceMinimumValue=1e-5,
        convergenceWindowSize=5,
        lineSearchUpperLimit=2.0,
        lineSearchEpsilon=0.05,
        lineSearchMaximumIterations=8,
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=step_mm,
    )
    method.SetOptimizerScalesFromPhysicalShift()
