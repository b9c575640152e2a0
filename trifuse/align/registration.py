"""Registration: brings an image onto the grid of another of the same patient, by mutual information.

Stages, each from coarse to fine: a rigid motion, then (if asked for) an affine map, then a smooth deformation by
B-splines (`trifuse.align.bsplines`). Every stage starts from the one before, the first from where the affines place the
images, or from the centres of the tissue where that leaves little in common and explains less. Rigid and affine stages
look at a seeded sample of the tissue, deformations at all of it, so that equal inputs give equal results. A result that
explains the images no better than its start, or that parts of them contradict (`trifuse.align.support`), is not taken.

Sources: D. Mattes et al., PET-CT image registration in the chest using free-form deformations, IEEE TMI 22(1),
2003 (the metric); B. Avants et al., The Insight ToolKit image registration framework, Front. Neuroinform. 8:44,
2014 (step sizes in mm); D. Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 18(8),
1999 (the deformation).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from trifuse.align.grid import Matrix, grid_table, lps
from trifuse.align.itk import resampled
from trifuse.align.similarity import Pair, Picture, by_conjugate_gradients, itk_pair, mutual_information, region_of
from trifuse.align.support import UNDOUBTED_MM, disagreement, is_supported
from trifuse.core.choices import Registration
from trifuse.core.colour import LUMA
from trifuse.core.errors import GridError, RegistrationWarning
from trifuse.core.image import Image
from trifuse.core.itk import itk_image
from trifuse.core.progress import track

COARSEST_CELLS = 5
"""Cells of the first lattice of a deformation along the longest side; each further level halves them."""

LOW_OVERLAP = 0.5
"""Overlap below which geometry has to prove itself as a start, and below which a result is warned of."""

LOW_COVER = 0.5
"""Share of the reference's tissue in the image's field of view below which geometry is no start."""

KEPT_OVERLAP = 0.7
"""Share of the overlap at the start that a registration must keep to be believed."""

LARGEST_TILT = 10.0
"""Degrees between two slices up to which they are taken for one plane."""

STAGES: dict[str, list[tuple[str, int]]] = {
    "rigid": [("rigid", 4), ("rigid", 2), ("rigid", 1)],
    "affine": [("rigid", 4), ("rigid", 2), ("affine", 2), ("affine", 1)],
    "deformable": [
        *[("rigid", 4), ("rigid", 2), ("affine", 2), ("affine", 1)],
        *[("deformable", 4), ("deformable", 2), ("deformable", 1)],
    ],
}
"""What is optimised, and how many times coarser than the finest grid."""


@dataclass(frozen=True, eq=False)
class Registered:
    """An image on the reference's grid, and how well it fits there.

    Attributes:
        image: resampled linearly, pixels and stored values alike; beyond its field of view it shows 0.
        kind: the registration asked for.
        information: mutual information with the reference in nats, before and after; None if nothing was
            optimised.
        overlap: share of the smaller of the two tissue regions that both have in common, 0..1.
        doubtful: whether that is so little that the two may show different anatomy; not where the image sees the
            reference's tissue and agrees with it there, as a PET does of which the reference shows a part.
        move: reference points `(n, 3)` in RAS mm -> the same anatomy in the image as it came, RAS mm.
        displacement: mean and largest distance in mm that tissue was moved by.
        transform: the same as `move`, from the space of registration to itself.
        remarks: what else a careful user should know.
    """

    image: Image
    kind: Registration
    information: tuple[float, float] | None
    overlap: float
    doubtful: bool
    move: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    displacement: tuple[float, float]
    transform: sitk.Transform
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
        warning = f"overlaps the reference by {self.overlap:.0%} only: check that both show the same anatomy"
        return [first, *self.remarks, *([warning] if self.doubtful else [])]


def registered(image: Image, grid: Image, kind: Registration = "rigid", *, label: str = "registering") -> Registered:
    """An image registered with `grid` and resampled onto it.

    "resample" optimises nothing. Colour images are registered by their luma and resampled channel by channel. Images
    that are constant or fewer than four voxels thick are resampled by their geometry alone, with a remark.

    Raises:
        GridError: if a 2D image lies in another plane than the grid, or the two have nothing in common.
    """
    two = _Two.of(image, grid)
    remarks = list(two.remarks)
    if two.idle or kind == "resample":
        transform, information = two.identity, None
        remarks += [two.idle] if two.idle and kind != "resample" else []
    else:
        try:
            with _one_thread():
                transform, information, more = _optimised(two.pair, kind, label)
        except RuntimeError as error:
            raise GridError(
                f"{image.origin}: cannot be registered with the reference, the two have too little in common; "
                "check that both show the same part of the same patient",
                grid_table([grid, image], 0),
            ) from error
        remarks.extend(more)
    return _result(two, kind, transform, information, remarks)


def carried(image: Image, grid: Image, leader: Registered) -> Registered:
    """An image of the frame of reference of another one, where the registration of that one takes it."""
    two = _Two.of(image, grid)
    information = two.pair.information(two.identity, leader.transform)
    return _result(two, leader.kind, leader.transform, (information[0], information[1]), two.remarks)


def promising(image: Image, grid: Image, gain: float) -> bool:
    """Whether a first, coarse look finds a place more than a millimetre away that explains `gain` times as much."""
    two = _Two.of(image, grid)
    if two.idle:
        return False
    try:
        with _one_thread():
            start, _ = _start(two.pair)
            found = _descended(two.pair, start, STAGES["rigid"][0][1])
    except RuntimeError:
        return False
    before, after = two.pair.information(two.identity, found)
    return bool(after > gain * before and two.pair.displacement(found)[0] > UNDOUBTED_MM)


@dataclass(frozen=True, eq=False)
class _Two:
    """An image and a grid, ready to be compared.

    Attributes:
        image, grid: as they came.
        world: RAS mm -> the space of registration.
        fixed, moving: the pictures of grid and image there, and the `pair` of them.
        idle: why there is nothing to optimise, or an empty text.
        remarks: what was ignored.
    """

    image: Image
    grid: Image
    world: Matrix
    fixed: Picture
    moving: Picture
    pair: Pair
    idle: str
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, image: Image, grid: Image) -> _Two:
        world = _world(grid)
        fixed, _ = _picture(grid, world, grid)
        moving, offset = _picture(image, world, grid)
        beside = f"lies {abs(offset):.1f} mm beside the reference's plane, which is ignored"
        remarks = (beside,) if abs(offset) > 0.5 else ()
        return cls(image, grid, world, fixed, moving, Pair(fixed, moving), _cannot(fixed, moving), remarks)

    @property
    def identity(self) -> sitk.Transform:
        """Where the headers place the image."""
        return sitk.Transform(self.fixed.dims, sitk.sitkIdentity)


def _result(
    two: _Two,
    kind: Registration,
    transform: sitk.Transform,
    information: tuple[float, float] | None,
    remarks: Sequence[str],
) -> Registered:
    result = Registered(
        image=resampled(two.image, two.grid, transform, two.moving.matrix, two.fixed.matrix),
        kind=kind,
        information=information,
        overlap=two.pair.overlap(transform),
        doubtful=_doubtful(two.pair, transform),
        move=lambda points: _moved(points, transform, two.world),
        displacement=two.pair.displacement(transform),
        transform=transform,
        remarks=tuple(remarks),
    )
    if result.doubtful:
        warnings.warn(f"{two.image.origin} {result.notes()[-1]}", RegistrationWarning, stacklevel=4)
    return result


def _doubtful(pair: Pair, transform: sitk.Transform) -> bool:
    """Whether tissue hardly meets tissue, neither on the whole nor where both pictures could show it."""
    if pair.overlap(transform) >= LOW_OVERLAP:
        return False
    return pair.covered(transform) < LOW_COVER or pair.overlap(transform, seen=True) < LOW_OVERLAP


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
    return np.asarray(np.linalg.inv(plane), dtype=np.float64)


def _picture(image: Image, world: Matrix, grid: Image) -> tuple[Picture, float]:
    """What an image is registered by, and its distance in mm from the plane of the grid (0 for volumes)."""
    values = np.nan_to_num(image.pixels, nan=0.0, posinf=1.0, neginf=0.0)
    grey = values[0] if image.channels == 1 else np.tensordot(np.array(LUMA, np.float32), values, axes=1)
    matrix = world @ image.affine
    if image.dims == 3:
        return Picture(grey, matrix), 0.0
    tilt = float(np.degrees(np.arcsin(np.clip(np.abs(matrix[2, :2] / image.spacing).max(), 0, 1))))
    if tilt > LARGEST_TILT:
        raise GridError(
            f"{image.origin}: this slice is tilted by {tilt:.0f} degrees against the reference; "
            "slices are registered within their plane, give the volumes instead",
            grid_table([grid, image], 0),
        )
    return Picture(grey, matrix[np.ix_([0, 1, 3], [0, 1, 3])]), float(matrix[2, 3])


def _cannot(fixed: Picture, moving: Picture) -> str:
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


def _optimised(pair: Pair, kind: Registration, label: str) -> tuple[sitk.Transform, tuple[float, float], Sequence[str]]:
    """The transform from reference to image, mutual information before and after, and remarks."""
    start, remarks = _start(pair)
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
    if doubt := _unsupported(pair, start, _linear_part(transform)):
        return start, (before, before), [*remarks, doubt]
    return transform, (before, after), remarks


def _unsupported(pair: Pair, start: sitk.Transform, found: sitk.Transform) -> str:
    """Why a movement is not made although it explains more, or an empty text."""
    moved = float(pair.displacement(found)[0])
    if moved <= UNDOUBTED_MM:
        return ""
    apart = disagreement(pair, start, found)
    if is_supported(moved, apart):
        return ""
    return (
        f"was left where it started: a movement of {moved:.1f} mm would explain more, but parts of the pictures "
        f"disagree on it by {apart:.1f} mm"
    )


def _start(pair: Pair) -> tuple[sitk.Transform, list[str]]:
    """Where the affines place the image, or centre on centre if that explains more, and a remark then.

    Little common tissue alone is no reason: a PET shows the tumour and little else of a limb.
    """
    placed = _rigid(pair, np.zeros(pair.fixed.dims))
    if pair.overlap(placed) >= LOW_OVERLAP:
        return placed, []
    first, second = (picture.points(picture.foreground).mean(axis=0) for picture in (pair.fixed, pair.moving))
    centred = _rigid(pair, second - first)
    if pair.covered(placed) >= LOW_COVER:
        there, moved = pair.information(placed, centred)
        if there >= moved:
            return placed, []
    return centred, ["was first moved centre on centre, since its geometry leaves little overlap"]


def _rigid(pair: Pair, shift: NDArray[np.float64]) -> sitk.Transform:
    """A motion about the middle of the reference's tissue, so far only a shift."""
    centre = [float(x) for x in pair.fixed.points(pair.fixed.foreground).mean(axis=0)]
    motion = sitk.Euler2DTransform() if pair.fixed.dims == 2 else sitk.Euler3DTransform()
    motion.SetCenter(centre)
    motion.SetTranslation([float(x) for x in shift])
    return motion


def _descended(pair: Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """A rigid or affine transform improved at one level by conjugate gradients, whose steps are sized in mm."""
    fixed, moving = pair.level(factor)
    transform = type(transform)(transform)
    method = mutual_information(fixed, region_of(fixed, moving, transform))
    by_conjugate_gradients(method, iterations=30, step_mm=0.5 * factor * pair.finest)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(*itk_pair(fixed, moving))
    return transform


def _affine(pair: Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """An affine map that starts from a rigid or affine one."""
    general = sitk.AffineTransform(transform.GetDimension())
    general.SetMatrix(transform.GetMatrix())
    general.SetCenter(transform.GetCenter())
    general.SetTranslation(transform.GetTranslation())
    return _descended(pair, general, factor)


def _deformed(pair: Pair, transform: sitk.Transform, factor: int) -> sitk.Transform:
    """A cubic B-spline deformation under an affine map (see `trifuse.align.bsplines`), or a finer one than it has."""
    from trifuse.align.bsplines import Lattice, deformed

    if isinstance(transform, sitk.CompositeTransform):
        affine, lattice = transform.GetNthTransform(0), Lattice.of(transform.GetNthTransform(1)).halved()
    else:
        cells = np.clip(np.round(COARSEST_CELLS * pair.extent / pair.extent.max()), 1, None)
        affine, lattice = transform, Lattice.still(tuple(int(n) for n in cells))
    return sitk.CompositeTransform([affine, deformed(pair, affine, lattice, factor).transform(pair.fixed)])


OPTIMISERS = {"rigid": _descended, "affine": _affine, "deformable": _deformed}


def _linear_part(transform: sitk.Transform) -> sitk.Transform:
    return transform.GetNthTransform(0) if isinstance(transform, sitk.CompositeTransform) else transform


def _folds(fixed: Picture, transform: sitk.Transform) -> bool:
    """Whether the transform turns space inside out anywhere: its Jacobian determinant is not positive there."""
    reference = itk_image(fixed.values, fixed.matrix)
    place = (reference.GetSize(), reference.GetOrigin(), reference.GetSpacing(), reference.GetDirection())
    field = sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, *place)
    shift = sitk.GetArrayFromImage(field).transpose(*range(fixed.dims)[::-1], fixed.dims)
    moved = fixed.points(np.ones(fixed.values.shape, dtype=np.bool_)).reshape(shift.shape) + shift
    columns = [np.gradient(moved, axis=axis) for axis in range(fixed.dims)]
    volume = np.linalg.det(np.stack(columns, axis=-1)) / np.linalg.det(fixed.matrix)
    return bool(volume.min() <= 0)
