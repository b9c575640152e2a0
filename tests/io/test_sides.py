"""The patient's left stays left: one phantom through every reader and writer.

The phantom is a block in patient coordinates with one bright voxel in its left, front, upper corner and a weaker one
in its right, back, lower corner. However a file stores it, both must be found where they lie in millimetres.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from tests.io.makers import LPS, dicom_slice
from trifuse import io
from trifuse.core.image import Image
from trifuse.io import arrays

SIZE = (4, 5, 6)
STEPS = (2.0, 3.0, 4.0)
LEFT_FRONT_UP = np.array([-31.0, 42.0, 70.0])  # RAS: left is negative, front and up positive
RIGHT_BACK_DOWN = LEFT_FRONT_UP + np.array([6.0, -12.0, -20.0])


def phantom(flips: tuple[int, ...], order: tuple[int, ...], turn: float = 0.0) -> Image:
    """The phantom on voxel axes flipped and permuted as asked, and turned about the vertical by `turn` degrees."""
    values = np.zeros(SIZE, np.int16)
    values[0, 4, 5], values[3, 0, 0] = 900, 400  # on axes that run right, front, up
    affine = np.diag([*STEPS, 1.0])
    affine[:3, 3] = LEFT_FRONT_UP - np.array([0, 4 * 3.0, 5 * 4.0])
    angle = np.radians(turn)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = rotation @ affine
    for axis, flip in enumerate(flips):
        if flip < 0:
            mirror = np.eye(4)
            mirror[axis, axis], mirror[axis, 3] = -1, SIZE[axis] - 1
            values, affine = np.flip(values, axis), affine @ mirror
    values = np.ascontiguousarray(values.transpose(order))
    return Image.from_native(values[None], affine=affine[:, [*order, 3]])


def check(image: Image, turn: float = 0.0) -> None:
    """Both marks lie where they belong."""
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    native = image.native()[0]
    bright = np.unravel_index(native.argmax(), native.shape)
    weak = np.unravel_index(np.abs(native.astype(float) - 400).argmin(), native.shape)
    assert np.allclose((image.affine @ [*bright, 1])[:3], rotation @ LEFT_FRONT_UP, atol=1e-3)
    assert np.allclose((image.affine @ [*weak, 1])[:3], rotation @ RIGHT_BACK_DOWN, atol=1e-3)


AXES = list(itertools.product(itertools.product((1, -1), repeat=3), itertools.permutations(range(3))))


@pytest.mark.parametrize(("flips", "order"), AXES)
def test_all_48_axis_orders_survive_memory_and_files(
    tmp_path: Path, flips: tuple[int, ...], order: tuple[int, ...]
) -> None:
    source = phantom(flips, order)
    check(source)
    check(Image.of(nib.Nifti1Image(source.native()[0], source.affine)))
    check(Image.of(arrays.to_itk(source)))
    check(io.read(io.write(source, tmp_path / "a.nii")))
    check(io.read(io.write(source, tmp_path / "a.dcm")))


@pytest.mark.parametrize("turn", [17.0, -120.0])
@pytest.mark.parametrize(("flips", "order"), AXES[::7])
def test_turned_grids_survive_too(tmp_path: Path, flips: tuple[int, ...], order: tuple[int, ...], turn: float) -> None:
    source = phantom(flips, order, turn)
    check(source, turn)
    check(Image.of(arrays.like(source, nib.Nifti1Image(np.zeros(SIZE), np.eye(4)))), turn)
    check(Image.of(arrays.like(source, SimpleITK.Image(SIZE, SimpleITK.sitkUInt8))), turn)
    check(io.read(io.write(source, tmp_path / "a.nii.gz")), turn)
    check(io.read(io.write(source, tmp_path / "a.dcm")), turn)


@pytest.mark.parametrize(("flips", "order"), AXES)
def test_series_in_any_plane_with_shuffled_names(
    tmp_path: Path, flips: tuple[int, ...], order: tuple[int, ...]
) -> None:
    source = phantom(flips, order)
    lps = LPS @ source.affine
    lengths = np.linalg.norm(lps[:3, :3], axis=0)
    names = np.random.default_rng(1).permutation(source.space[2])
    for index in range(source.space[2]):
        made = dicom_slice(
            source.native()[0, :, :, index].T,
            position=tuple((lps @ [0, 0, index, 1])[:3]),
            cosines=(*(lps[:3, 0] / lengths[0]), *(lps[:3, 1] / lengths[1])),
            PixelSpacing=[lengths[1], lengths[0]],
        )
        made.save_as(tmp_path / f"{names[index]}.dcm", enforce_file_format=True)
    image = io.read(tmp_path)
    check(image)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert np.allclose(Image.of(reader.Execute()).affine, image.affine, atol=1e-3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_slice_keeps_its_side(tmp_path: Path, order: tuple[int, ...]) -> None:
    volume = phantom((1, 1, 1), order)
    lps = LPS @ volume.affine
    lengths = np.linalg.norm(lps[:3, :3], axis=0)
    bright = [int(i) for i in np.unravel_index(volume.native()[0].argmax(), volume.space)]
    made = dicom_slice(
        volume.native()[0, :, :, bright[2]].T,
        position=tuple((lps @ [0, 0, bright[2], 1])[:3]),
        cosines=(*(lps[:3, 0] / lengths[0]), *(lps[:3, 1] / lengths[1])),
        PixelSpacing=[lengths[1], lengths[0]],
    )
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = io.read(tmp_path / "a.dcm")
    for seen in (image, io.read(io.write(image, tmp_path / "b.dcm")), io.read(io.write(image, tmp_path / "b.nii"))):
        row, column = np.unravel_index(seen.native()[0].argmax(), seen.space)
        assert (column, row) == (bright[0], bright[1])
        assert np.allclose((seen.affine @ [row, column, 0, 1])[:3], LEFT_FRONT_UP, atol=1e-3)
