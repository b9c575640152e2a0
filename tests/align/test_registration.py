"""Registration: known motions are found again, sides stay sides, and poor fits are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from trifuse import fuse
from trifuse.align import align
from trifuse.align.grid import same_grid
from trifuse.align.registration import registered
from trifuse.core.errors import GridError, RegistrationWarning
from trifuse.core.image import Image, Modality
from trifuse.core.progress import listening


def rigid(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> NDArray[np.float64]:
    """RAS mm -> RAS mm, angles in degrees."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


MOTION = rigid((6, -4, 9), (7, -5, 4))


def template(data: Path, name: str, step: int = 2) -> Image:
    path = data / "volumes" / "mni-2mm" / f"{name}.nii"
    if not path.is_file():
        pytest.skip(f"real volume skipped: no {path}")
    loaded = nib.load(path)
    values = np.asarray(loaded.dataobj, dtype=np.float32)[::step, ::step, ::step]
    return Image.from_native(values[None], affine=loaded.affine @ np.diag([step, step, step, 1]), origin=name)


def miss_mm(image: Image, grid: Image, motion: NDArray[np.float64], **options: str) -> NDArray[np.float64]:
    """Distances in mm between where registration and where the known motion puts tissue."""
    tissue = np.argwhere(grid.pixels[0] > 0.3)[::97]
    if grid.dims == 2:
        tissue = np.column_stack([tissue, np.zeros(len(tissue))])
    points = tissue @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    found = registered(image, grid, **options).move(points)  # type: ignore[arg-type]
    return np.asarray(np.linalg.norm(found - (points @ motion[:3, :3].T + motion[:3, 3]), axis=1))


def head(mirrored: bool = False) -> Image:
    """An asymmetric phantom at 4 mm: an ellipsoid with a bright ball on the patient's left."""
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -88
    x, y, z = np.stack(np.meshgrid(*[np.arange(45)] * 3, indexing="ij")) * 4.0 - 88
    values = 0.5 * ((x / 60) ** 2 + (y / 75) ** 2 + (z / 55) ** 2 < 1)
    values = values + 0.5 * ((x + 30) ** 2 + (y - 20) ** 2 + (z - 5) ** 2 < 14**2)
    values = values - 0.3 * ((x - 15) ** 2 + (y + 25) ** 2 + (z + 10) ** 2 < 16**2)
    values = gaussian_filter(values, 0.6)
    if mirrored:  # the same anatomy, stored from right to left
        values, affine = values[::-1], affine @ np.array([[-1, 0, 0, 44], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return Image(np.ascontiguousarray(values)[None].astype(np.float32), affine=affine)


def picture(shift: tuple[float, float] = (0, 0), degrees: float = 0, size: int = 96) -> NDArray[np.float64]:
    """A slice-like pattern, moved by a rotation about its middle and a shift in pixels."""
    rows, columns = np.meshgrid(*[np.arange(size) - size / 2] * 2, indexing="ij")
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    y, x = np.tensordot(turn, np.stack([rows - shift[0], columns - shift[1]]), axes=1)
    body = ((y / 38) ** 2 + (x / 29) ** 2 < 1) * 0.5
    spots = [(-12, 8, 7, 0.4), (14, -6, 9, -0.3), (2, 17, 4, 0.3), (-20, -9, 5, 0.2)]
    for cy, cx, radius, height in spots:
        body = body + height * ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)
    return gaussian_filter(body, 0.7)


def test_known_motion_of_a_real_volume_is_found(data: Path) -> None:
    grid = template(data, "avg152t1")
    moved = replace(grid, affine=MOTION @ grid.affine)
    found = miss_mm(moved, grid, MOTION)
    assert found.max() < 0.4  # a tenth of a voxel


def test_t1_and_t2(data: Path) -> None:
    grid, other = template(data, "avg152t1"), template(data, "avg152t2")
    assert miss_mm(replace(other, affine=MOTION @ other.affine), grid, MOTION).mean() < 2  # half a voxel


def test_t1_and_pet_affine(data: Path) -> None:
    grid, pet = template(data, "avg152t1"), template(data, "spm_pet")
    assert miss_mm(replace(pet, affine=MOTION @ pet.affine), grid, MOTION, kind="affine").mean() < 4  # one voxel


def test_three_grids_of_one_patient_come_together(data: Path) -> None:
    folder = data / "volumes" / "sts" / "sts-025"
    if not folder.is_dir():
        pytest.skip(f"real patient skipped: no {folder}")
    loaded = [nib.load(folder / f"{name}.nii.gz") for name in ("pet", "ct", "t1")]
    images = [Image.from_native(np.asarray(one.dataobj)[None], affine=one.affine) for one in loaded]
    aligned = align(images, register="rigid")
    assert all(same_grid(aligned.images[0], image) for image in aligned.images)
    assert aligned.images[1].native().min() >= images[1].native().min() - 1
    assert len(aligned.notes) >= 2
    assert sum("overlap" in note for note in aligned.notes) >= 2


def test_registration_is_repeatable() -> None:
    grid = head()
    moved = replace(grid, affine=rigid((3, 0, 4), (5, 2, 0)) @ grid.affine)
    once, again = (registered(moved, grid).image.pixels for _ in range(2))
    assert np.array_equal(once, again)


def test_left_stays_left() -> None:
    grid = head()
    other = head(mirrored=True)
    other = replace(other, affine=rigid((0, 5, 8), (6, -8, 3)) @ other.affine)
    image = align([grid, other], register="rigid").images[1]
    ball = np.argwhere(image.pixels[0] > 0.8).mean(axis=0)
    place = grid.affine @ [*ball, 1]
    assert place[:3] == pytest.approx([-30, 20, 5], abs=2)
    assert np.abs(image.pixels - grid.pixels).mean() < 0.01


def test_deformation_is_undone_in_part() -> None:
    rows, columns = np.meshgrid(np.arange(96), np.arange(96), indexing="ij")
    straight = picture()
    bend = 4 * np.sin(np.pi * columns / 95) * np.sin(np.pi * rows / 95)
    bent = map_coordinates(straight, [rows + bend, columns - bend], order=1)
    images = [Image(p[None].astype(np.float32)) for p in (straight, bent)]
    affine, smooth = (align(images, register=kind).images[1].pixels for kind in ("affine", "deformable"))
    before, left = (np.abs(p - images[0].pixels).mean() for p in (affine, smooth))
    assert left < 0.6 * before


def bent(image: Image, millimetres: float, smooth_mm: float) -> tuple[Image, NDArray[np.float64]]:
    """The image bent by a smooth random field, and the field `(3, *space)` in mm RAS: what is found at x in the bent
    image was at x + field(x) in the straight one."""
    random = np.random.default_rng(0)
    sigma = [smooth_mm / step for step in image.spacing]
    field = np.stack([gaussian_filter(random.standard_normal(image.space), sigma, mode="wrap") for _ in range(3)])
    field *= millimetres / np.linalg.norm(field, axis=0).max()
    shift = np.tensordot(np.linalg.inv(image.affine[:3, :3]), field, axes=1)
    places = np.stack(np.meshgrid(*map(np.arange, image.space), indexing="ij")) + shift
    values = map_coordinates(image.native()[0].astype(np.float64), places, order=1, mode="nearest")
    return Image.from_native(values[None].astype(np.float32), affine=image.affine), field


def test_known_affine_map_of_a_real_volume_is_found(data: Path) -> None:
    grid = template(data, "avg152t1")
    growth = MOTION @ np.array([[1.06, 0.03, 0, 0], [0, 0.95, -0.02, 0], [0.02, 0, 1.04, 0], [0, 0, 0, 1]])
    found = miss_mm(replace(grid, affine=growth @ grid.affine), grid, growth, kind="affine")
    assert found.mean() < 0.4  # a tenth of a voxel
    assert found.max() < 1.2


def test_known_deformation_of_a_real_volume_is_found(data: Path) -> None:
    straight = template(data, "avg152t1")
    grid, field = bent(straight, 12, 16)
    tissue = np.argwhere(grid.pixels[0] > 0.3)[::97]
    points = tissue @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    there = points + field[(slice(None), *tissue.T)].T
    result = registered(straight, grid, "deformable")
    left = np.linalg.norm(result.move(points) - there, axis=1)
    assert np.linalg.norm(there - points, axis=1).mean() > 4  # one voxel
    assert left.mean() < 1.2  # measured: 1.07, a quarter of a voxel
    assert np.percentile(left, 90) < 2.1  # measured: 1.83


def test_shifted_and_turned_picture_is_found() -> None:
    grid = Image(picture()[None].astype(np.float32))
    moving = Image(picture((5, -7), 12)[None].astype(np.float32))
    angle, middle = np.deg2rad(12), np.array([48.0, 48.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    by_index = np.eye(4)
    by_index[:2, :2], by_index[:2, 3] = turn, middle + np.array([5, -7]) - turn @ middle
    assert miss_mm(moving, grid, grid.affine @ by_index @ np.linalg.inv(grid.affine)).max() < 0.2
    aligned = align([grid, moving], register="rigid")
    assert np.abs(aligned.images[1].pixels - grid.pixels).mean() < 0.012  # most of it the blur of interpolation
    assert "moved" in aligned.notes[0]


def test_colour_is_registered_by_luma_and_keeps_its_channels() -> None:
    grid = Image(picture()[None].astype(np.float32))
    moved = picture((4, 3))
    rgb = np.stack([moved, 0.5 * moved, 0.1 * moved]).astype(np.float32)
    pet = Image.from_native(np.round(rgb * 255).astype(np.uint8), window=(0, 255), modality=Modality.PET)
    image = align([grid, pet], register="rigid").images[1]
    assert image.channels == 3
    assert image.modality is Modality.PET
    assert np.abs(image.pixels[0] - grid.pixels[0])[10:-10, 10:-10].mean() < 0.01
    assert image.native() == pytest.approx(image.pixels * 255, abs=1e-3)


def test_picture_of_other_pixel_size_is_laid_over_the_reference() -> None:
    grid = Image(picture()[None].astype(np.float32))
    fine = Image(np.kron(picture(), np.ones((3, 3)))[None].astype(np.float32))
    aligned = align([grid, fine], register="rigid")
    assert aligned.images[1].space == grid.space
    assert "source 2 has no comparable geometry" in aligned.notes[0]
    assert np.abs(aligned.images[1].pixels - grid.pixels).mean() < 0.02


def test_resampling_moves_nothing() -> None:
    grid = head()
    shifted = replace(grid, affine=grid.affine @ np.diag([0.5, 0.5, 0.5, 1.0]))
    coarse = align([grid, shifted], register="resample")
    assert same_grid(coarse.images[1], grid)
    assert any("was resampled" in note for note in coarse.notes)
    for point in ([-60.0, -60, -60], [-32, -32, -32]):
        old = np.rint(np.linalg.inv(shifted.affine) @ [*point, 1])[:3].astype(int)
        new = np.rint(np.linalg.inv(grid.affine) @ [*point, 1])[:3].astype(int)
        assert coarse.images[1].pixels[0][tuple(new)] == pytest.approx(float(shifted.pixels[0][tuple(old)]), abs=0.05)
    assert align([grid, grid], register="resample").images[1] is grid


def test_a_shared_frame_of_reference_is_pointed_out() -> None:
    one = replace(head(), frame_of_reference="1.2.3")
    assert any(
        "frame of reference: its header is trusted by --register auto" in note
        for note in align([one, replace(one)], register="rigid").notes
    )
    other = replace(one, frame_of_reference="1.2.4")
    assert not any(
        "frame of reference: its header is trusted by --register auto" in note
        for note in align([one, other], register="rigid").notes
    )


def test_low_overlap_is_warned_of() -> None:
    grid = head()
    crown = replace(grid, pixels=np.ascontiguousarray(grid.pixels[..., 33:]), affine=grid.affine)
    thin = replace(crown, pixels=crown.pixels[..., :3])
    with pytest.warns(RegistrationWarning, match="overlaps the reference"):
        result = registered(thin, grid)
    assert any("too thin" in note for note in result.notes())


def test_distant_images_start_centre_on_centre() -> None:
    grid = head()
    far = replace(grid, affine=rigid((0, 0, 0), (400, 0, -200)) @ grid.affine)
    result = registered(far, grid)
    assert result.overlap > 0.95
    assert any("centre on centre" in note for note in result.notes())
    assert np.abs(result.image.pixels - grid.pixels).mean() < 0.01


def test_little_common_tissue_alone_is_no_reason_to_leave_the_geometry(data: Path) -> None:
    """The PET of this thigh shows its tumour and little else; centre on centre it would lie 53 mm away."""
    folder = data / "volumes" / "sts" / "sts-012"
    if not folder.is_dir():
        pytest.skip(f"real volumes skipped: no {folder}")
    grid, pet = (Image.of(folder / f"{name}.nii.gz") for name in ("t1", "pet"))
    result = registered(pet, grid)
    assert result.displacement[1] < 10
    assert not result.doubtful, "it covers the thigh, and lights up nowhere but in it"
    placed = registered(pet, grid, "resample").image
    assert np.corrcoef(result.image.pixels.ravel(), placed.pixels.ravel())[0, 1] > 0.9
    beside = replace(pet, affine=rigid((0, 0, 0), (60, 0, 0)) @ pet.affine)  # its field of view ends within the grid
    beyond = registered(beside, grid, "resample").image
    outside = beyond.pixels == 0
    assert outside.mean() > 0.1
    assert (beyond.native()[outside] == 0).all()


def test_a_constant_image_is_placed_by_its_geometry() -> None:
    flat = Image(np.full((1, 45, 45, 45), 0.5, np.float32), affine=head().affine)
    result = registered(flat, head())
    assert result.information is None
    assert any("constant" in note for note in result.notes())


def test_slices_of_other_planes_are_refused() -> None:
    axial = Image(picture()[None].astype(np.float32), affine=np.diag([2.0, 2, 2, 1]))
    coronal = replace(axial, affine=np.array([[2.0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 1]]))
    with pytest.raises(GridError, match="tilted by 90 degrees"):
        registered(coronal, axial)


def test_progress_and_provenance_tell_of_it() -> None:
    heard: list[tuple[str, int, int]] = []
    pictures = [picture(), picture((2, 1))]
    with listening(lambda *event: heard.append(event)):
        fused = fuse(pictures, "mean", register="rigid")
    assert ("registering source 2", 3, 3) in heard
    assert any("was registered (rigid)" in note for note in fused.provenance["notes"])
