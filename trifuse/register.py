"""Registration: brings an image onto the grid of another of the same patient, by mutual information.

Stages, each from coarse to fine: a rigid motion, then (if asked for) an affine map, then a smooth
deformation by B-splines. Every stage starts from the one before, the first from where the affines place
the images, or from the centres of the tissue where that leaves little in common. Sampling is seeded, so
equal inputs give equal results. A result that explains the images no better than its start is not taken.

Sources: D. Mattes et al., PET-CT image registration in the chest using free-form deformations, IEEE TMI 22(1),
2003 (the metric); B. Avants et al., The Insight ToolKit image registration framework, Front. Neuroinform. 8:44,
2014 (step sizes in mm); D. Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 18(8),
1999 (the deformation).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from trifuse.errors import GridError
from trifuse.geometry import Matrix, Registration, grid_table, lps
from trifuse.image import Image
from trifuse.itk import itk_image, itk_values, resampled
from trifuse.progress import track

SEED = 20091
BINS = 32
SAMPLES = 60_000
FINEST_VOXELS = 600_000
LOW_OVERLAP = 0.5
KEPT_OVERLAP = 0.7
LARGEST_TILT = 10.0

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
STAGES: dict[str, list[tuple[str, int]]] = {
    "rigid": [("rigid", 4), ("rigid", 2), ("rigid", 1)],
    "affine": [("rigid", 4), ("rigid", 2), ("affine", 2), ("affine", 1)],
    "deformable": [("rigid", 4), ("rigid", 2), ("affine", 2), ("affine", 1), ("deformable", 2), ("deformable", 1)],
}
"""What is optimised, and how many times coarser than the finest grid."""


class RegistrationWarning(UserWarning):
    """A registration whose result should be looked at."""


@dataclass(frozen=True, eq=False)
class Registered:
    """An image on the reference's grid, and how well it fits there.

    Attributes:
        image: resampled linearly, pixels and stored values alike; beyond its field of view it shows 0.
        kind: the registration asked for.
        information: mutual information with the reference in nats, before and after; None if nothing was
            optimised.
        overlap: share of the smaller of the two tissue regions that both have in common, 0..1.
        move: reference points `(n, 3)` in RAS mm -> the same anatomy in the image as it came, RAS mm.
        displacement: mean and largest distance in mm that tissue was moved by.
        remarks: what else a careful user should know.
    """

    image: Image
    kind: Registration
    information: tuple[float, float] | None
    overlap: float
    move: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    displacement: tuple[float, float]
    remarks: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What was done and how well it went, in words, each to be read after "source N "."""
        if self.information is None:
            first = f"was resampled onto the reference's grid; overlap {self.overlap:.2f}"
        else:
            before, after = self.information
            mean, largest = self.displacement
            first = (
                f"was registered ({self.kind}) onto the reference: moved {mean:.2f} mm on average, "
                f"{largest:.2f} mm at most; mutual information {after:.3f} (before {before:.3f}); "
                f"overlap {self.overlap:.2f}"
            )
        low = self.overlap < LOW_OVERLAP
        warning = f"overlaps the reference by {self.overlap:.0%} only: check that both show the same anatomy"
        return [first, *self.remarks, *([warning] if low else [])]


def registered(image: Image, grid: Image, kind: Registration = "rigid", *, label: str = "registering") -> Registered:
    """An image registered with `grid` and resampled onto it.

    Colour images are registered by their luma and resampled channel by channel. Images that are constant or
    fewer than four voxels thick are resampled by their geometry alone, with a remark.

    Raises:
        GridError: if a 2D image lies in another plane than the grid, or the two have nothing in common.
    """
    world = _world(grid)
    fixed, offset = _picture(grid, world, grid)
    moving, offset = _picture(image, world, grid)
    remarks = [f"lies {abs(offset):.1f} mm beside the reference's plane, which is ignored"] if abs(offset) > 0.5 else []
    idle = _cannot(fixed, moving)
    pair = _Pair(fixed, moving)
    start = sitk.Transform(fixed.dims, sitk.sitkIdentity)
    if idle:
        transform, information = start, None
        remarks.append(idle)
    else:
        try:
            with _one_thread():
                transform, information, more = _optimised(pair, kind, label)
        except RuntimeError as error:
            raise GridError(
                f"{image.origin}: cannot be registered with the reference, the two have too little in common; "
                "check that both show the same part of the same patient",
                grid_table([grid, image], 0),
            ) from error
        remarks.extend(more)
    result = Registered(
        image=resampled(image, grid, transform, moving.matrix, fixed.matrix),
        kind=kind,
        information=information,
        overlap=pair.overlap(transform),
        move=lambda points: _moved(points, transform, world),
        displacement=pair.displacement(transform),
        remarks=tuple(remarks),
    )
    if result.overlap < LOW_OVERLAP:
        warnings.warn(f"{image.origin} {result.notes()[-1]}", RegistrationWarning, stacklevel=3)
    return result


# The pictures that are compared


def _world(grid: Image) -> Matrix:
    """RAS mm -> the space in which the grid is registered: LPS for volumes; for pictures the plane's own axes."""
    if grid.dims == 3:
        return lps(np.eye(4))
    axes = grid.affine[:3, :2] / np.array(grid.spacing)
    normal = np.cross(axes[:, 0], axes[:, 1])
    plane = np.eye(4)
    plane[:3, :3] = np.column_stack([axes, normal / np.linalg.norm(normal)])
    plane[:3, 3] = grid.affine[:3, 3]
    return np.linalg.inv(plane)


@dataclass(frozen=True, eq=False)
class _Picture:
    """Grey values `(*space)` to register by, and where they lie: indices -> world (d + 1, d + 1)."""

    values: NDArray[np.float32]
    matrix: Matrix

    @property
    def dims(self) -> int:
        return self.values.ndim

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(self.matrix[: self.dims, : self.dims], axis=0))

    def points(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """World coordinates `(n, d)` of the voxels of a mask."""
        indices = np.argwhere(mask)
        return np.asarray(indices @ self.matrix[: self.dims, : self.dims].T + self.matrix[: self.dims, self.dims])

    def coarser(self, smooth_mm: float, grid_mm: float) -> _Picture:
        """Smoothed (standard deviation in mm) and thinned out to at most `grid_mm`, keeping four voxels an axis."""
        sigma = [smooth_mm / s if s < grid_mm else 0.0 for s in self.spacing]
        smooth = ndimage.gaussian_filter(self.values, sigma, mode="nearest", truncate=3)
        counts = zip(self.spacing, self.values.shape, strict=True)
        steps = [max(1, min(int(grid_mm / s + 1e-6), n // 4)) for s, n in counts]
        thinned = smooth[tuple(slice(None, None, step) for step in steps)]
        return _Picture(thinned, self.matrix @ np.diag([*steps, 1.0]))

    @cached_property
    def foreground(self) -> NDArray[np.bool_]:
        """Tissue: brighter than half of Otsu's threshold, holes filled; everything if that is next to nothing."""
        otsu = sitk.OtsuThresholdImageFilter()
        otsu.Execute(itk_image(self.values, np.eye(self.dims + 1)))
        mask = ndimage.binary_fill_holes(self.values > otsu.GetThreshold() / 2)
        assert mask is not None
        return mask if mask.mean() > 0.01 else np.ones_like(mask)


def _picture(image: Image, world: Matrix, grid: Image) -> tuple[_Picture, float]:
    """What an image is registered by, and its distance in mm from the plane of the grid (0 for volumes)."""
    values = np.nan_to_num(image.pixels, nan=0.0, posinf=1.0, neginf=0.0)
    grey = values[0] if image.channels == 1 else np.tensordot(LUMA, values, axes=1)
    matrix = world @ image.affine
    if image.dims == 3:
        return _Picture(grey, matrix), 0.0
    tilt = float(np.degrees(np.arcsin(np.clip(np.abs(matrix[2, :2] / image.spacing).max(), 0, 1))))
    if tilt > LARGEST_TILT:
        raise GridError(
            f"{image.origin}: this slice is tilted by {tilt:.0f} degrees against the reference; "
            "slices are registered within their plane, give the volumes instead",
            grid_table([grid, image], 0),
        )
    return _Picture(grey, matrix[np.ix_([0, 1, 3], [0, 1, 3])]), float(matrix[2, 3])


def _cannot(fixed: _Picture, moving: _Picture) -> str:
    """Why there is nothing to optimise, or an empty text."""
    if min(*fixed.values.shape, *moving.values.shape) < 4:
        return "is too thin to be registered (fewer than 4 voxels on one axis): placed by its geometry"
    if min(float(np.ptp(fixed.values)), float(np.ptp(moving.values))) == 0:
        return "cannot be registered since one of the two is constant: placed by its geometry"
    return ""


def _moved(points: NDArray[np.float64], transform: sitk.Transform, world: Matrix) -> NDArray[np.float64]:
    dims = transform.GetDimension()
    placed = np.atleast_2d(points) @ world[:3, :3].T + world[:3, 3]
    for row in placed:
        row[:dims] = transform.TransformPoint([float(x) for x in row[:dims]])
    back = np.linalg.inv(world)
    return np.asarray(placed @ back[:3, :3].T + back[:3, 3])


# Optimisation


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads add up samples in the order in which they finish, which rounds differently each time."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


class _Pair:
    """The two pictures, coarse enough to be compared quickly: what quality is measured on."""

    def __init__(self, fixed: _Picture, moving: _Picture) -> None:
        extent = fixed.spacing * np.array(fixed.values.shape)
        natural = float(np.prod(fixed.spacing) ** (1 / fixed.dims))
        self.finest = max(natural, float((np.prod(extent) / FINEST_VOXELS) ** (1 / fixed.dims)))
        self.extent = extent
        self._whole = (_stretched(fixed), _stretched(moving))
        self.fixed, self.moving = self.level(2)

    def level(self, factor: int) -> tuple[_Picture, _Picture]:
        """Both pictures at `factor` times the finest grid."""
        grid_mm = factor * self.finest
        fixed, moving = self._whole
        smooth_mm = 0.5 * grid_mm if factor > 1 else 0.0
        return fixed.coarser(smooth_mm, grid_mm), moving.coarser(smooth_mm, grid_mm / 2 if factor > 1 else grid_mm)

    def overlap(self, transform: sitk.Transform) -> float:
        """Common tissue as a share of the smaller of the two tissue regions."""
        own = self.fixed.foreground
        other = _mask_on(self.moving, self.fixed, transform)
        volumes = [p.foreground.sum() * np.prod(p.spacing) for p in (self.fixed, self.moving)]
        common = np.count_nonzero(own & other) * np.prod(self.fixed.spacing)
        return float(min(1.0, common / min(volumes)))

    def displacement(self, transform: sitk.Transform) -> tuple[float, float]:
        """Mean and largest distance between where tissue lies and where it was placed, in mm."""
        points = self.fixed.points(self.fixed.foreground)
        points = points[:: max(1, len(points) // 2000)]
        moved = np.array([transform.TransformPoint([float(x) for x in point]) for point in points])
        distances = np.linalg.norm(moved - points, axis=1)
        return float(distances.mean()), float(distances.max())

    def information(self, *transforms: sitk.Transform) -> list[float]:
        """Mutual information in nats after each transform, over the tissue that either picture has in any of them."""
        region = _region(self.fixed, self.moving, *transforms)
        found = []
        for transform in transforms:
            method = _method(self.fixed, region)
            method.SetInitialTransform(transform)
            found.append(-float(method.MetricEvaluate(*_itk(self.fixed, self.moving))))
        return found


def _stretched(picture: _Picture) -> _Picture:
    """Contrast of the tissue spread over 0..1, so that a few hot voxels do not use up the histogram's bins."""
    inside = picture.values[picture.values > picture.values.min()]
    low, high = np.percentile(inside, [0.5, 99.5]) if inside.size else (0.0, 1.0)
    low = min(float(low), float(picture.values.min()))
    span = max(float(high) - low, 1e-12)
    return replace(picture, values=np.clip((picture.values - low) / span, 0, 1).astype(np.float32))


def _itk(fixed: _Picture, moving: _Picture) -> tuple[sitk.Image, sitk.Image]:
    return itk_image(fixed.values, fixed.matrix), itk_image(moving.values, moving.matrix)


def _mask_on(moving: _Picture, fixed: _Picture, transform: sitk.Transform) -> NDArray[np.bool_]:
    mask = itk_image(moving.foreground.astype(np.uint8), moving.matrix)
    reference = itk_image(fixed.values, fixed.matrix)
    return np.asarray(itk_values(sitk.Resample(mask, reference, transform, sitk.sitkNearestNeighbor, 0)) > 0)


def _region(fixed: _Picture, moving: _Picture, *transforms: sitk.Transform) -> NDArray[np.bool_]:
    """Tissue of either picture and a margin around it, on the fixed one's grid."""
    region = fixed.foreground.copy()
    for transform in transforms:
        region |= _mask_on(moving, fixed, transform)
    return np.asarray(ndimage.binary_dilation(region, iterations=2))


def _method(fixed: _Picture, region: NDArray[np.bool_]) -> sitk.ImageRegistrationMethod:
    """Mattes mutual information over a region of the fixed picture."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(itk_image(region.astype(np.uint8), fixed.matrix))
    method.SetInterpolator(sitk.sitkLinear)
    share = SAMPLES / max(1, np.count_nonzero(region))
    if share < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(share, SEED)
    return method


def _optimised(
    pair: _Pair, kind: Registration, label: str
) -> tuple[sitk.Transform, tuple[float, float], Sequence[str]]:
    """The transform from reference to image, mutual information before and after, and remarks."""
    remarks = []
    identity = sitk.Transform(pair.fixed.dims, sitk.sitkIdentity)
    start = _rigid(pair, np.zeros(pair.fixed.dims))
    if pair.overlap(identity) < LOW_OVERLAP:
        centres = [p.points(p.foreground).mean(axis=0) for p in (pair.fixed, pair.moving)]
        start = _rigid(pair, centres[1] - centres[0])
        remarks.append("was first moved centre on centre, since its geometry leaves little overlap")
    transform: sitk.Transform = start
    for stage, factor in track(STAGES[kind], label):
        transform = OPTIMISERS[stage](pair, transform, factor)
    if _folds(pair.fixed, transform):
        transform = _linear_part(transform)
        remarks.append("would have folded where it was deformed: the affine registration was kept")
    before, after = pair.information(start, transform)
    if after < before or pair.overlap(transform) < KEPT_OVERLAP * pair.overlap(start):
        remarks.append("was left where it started, since registration found nothing better")
        return start, (before, before), remarks
    return transform, (before, after), remarks


def _rigid(pair: _Pair, shift: NDArray[np.float64]) -> sitk.Transform:
    """A motion about the middle of the reference's tissue, so far only a shift."""
    centre = [float(x) for x in pair.fixed.points(pair.fixed.foreground).mean(axis=0)]
    motion = sitk.Euler2DTransform() if pair.fixed.dims == 2 else sitk.Euler3DTransform()
    motion.SetCenter(centre)
    motion.SetTranslation([float(x) for x in shift])
    return motion


def _descended(pair: _Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """A rigid or affine transform improved at one level, with steps of at most half a voxel of it."""
    fixed, moving = pair.level(factor)
    transform = type(transform)(transform)
    method = _method(fixed, _region(fixed, moving, transform))
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=1e-6,
        numberOfIterations=150,
        relaxationFactor=0.6,
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=0.5 * factor * pair.finest,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(*_itk(fixed, moving))
    return transform


def _affine(pair: _Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """An affine map that starts from a rigid or affine one."""
    general = sitk.AffineTransform(transform.GetDimension())
    general.SetMatrix(transform.GetMatrix())
    general.SetCenter(transform.GetCenter())
    general.SetTranslation(transform.GetTranslation())
    return _descended(pair, general, factor)


def _deformed(pair: _Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """A cubic B-spline deformation on top of an affine map; its cells are a sixth of the field of view wide.

    The wide cells are what keeps the deformation smooth.
    """
    fixed, moving = pair.level(factor)
    if isinstance(transform, sitk.CompositeTransform):
        affine, spline = transform.GetNthTransform(0), sitk.BSplineTransform(transform.GetNthTransform(1))
    else:
        cells = np.clip(np.round(6 * pair.extent / pair.extent.max()), 1, 6)
        reference = itk_image(fixed.values, fixed.matrix)
        affine, spline = transform, sitk.BSplineTransformInitializer(reference, [int(n) for n in cells], 3)
    method = _method(fixed, _region(fixed, moving, affine))
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-5, numberOfIterations=40)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransform(spline, inPlace=True)
    method.Execute(*_itk(fixed, moving))
    return sitk.CompositeTransform([affine, spline])


OPTIMISERS = {"rigid": _descended, "affine": _affine, "deformable": _deformed}


def _linear_part(transform: sitk.Transform) -> sitk.Transform:
    return transform.GetNthTransform(0) if isinstance(transform, sitk.CompositeTransform) else transform


def _folds(fixed: _Picture, transform: sitk.Transform) -> bool:
    """Whether the transform turns space inside out anywhere in the field of view."""
    reference = itk_image(fixed.values, fixed.matrix)
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, reference.GetSize(), *_place(reference)
    )
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    return bool(jacobian.min() <= 0)


def _place(image: sitk.Image) -> tuple[Any, Any, Any]:
    return image.GetOrigin(), image.GetSpacing(), image.GetDirection()
