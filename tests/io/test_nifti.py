"""NIfTI: nibabel's values and affine, frames, colour, and back."""

from __future__ import annotations

import gzip
import struct
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from trifuse import io
from trifuse.align.grid import has_geometry, placed_over
from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality

RNG = np.random.default_rng(4)
AFFINE = np.array([[-2, 0.1, 0, 30], [0.2, 0, 2.5, -40], [0, 3, 0.1, 10], [0, 0, 0, 1.0]])
VOLUME = RNG.integers(-900, 3000, (4, 5, 3)).astype(np.int16)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32, np.float64, ">i2", ">f4"])
def test_native_values_are_exact(tmp_path: Path, name: str, kind: str) -> None:
    values = np.abs(VOLUME).astype(kind)
    nib.Nifti1Image(values, AFFINE).to_filename(tmp_path / name)
    image = io.read(tmp_path / name)
    assert image.native().dtype == np.dtype(kind).newbyteorder("=")
    assert np.array_equal(image.native()[0], values)
    assert image.window == (values.min(), values.max())
    assert np.allclose(image.affine, AFFINE, atol=1e-5)


def test_scaled_values_are_those_of_nibabel(tmp_path: Path) -> None:
    made = nib.Nifti1Image(VOLUME * 0.37 + 12, AFFINE, dtype="int16")
    made.set_data_dtype(np.int16)
    made.to_filename(tmp_path / "a.nii.gz")
    assert np.array_equal(io.read(tmp_path / "a.nii.gz").native()[0], nib.load(tmp_path / "a.nii.gz").get_fdata())


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nib.Nifti2Image(VOLUME, AFFINE).to_filename(tmp_path / "a.nii")
    assert np.array_equal(io.read(tmp_path / "a.nii").native()[0], VOLUME)


def test_one_rule_decides_between_qform_and_sform(tmp_path: Path) -> None:
    for sform, qform in ((1, 1), (0, 1), (2, 0), (0, 0)):
        made = nib.Nifti1Image(VOLUME, None)
        made.set_sform(np.diag([2.0, 2, 2, 1]), sform)
        made.set_qform(np.diag([-3.0, 3, 3, 1]), qform)
        made.to_filename(tmp_path / "a.nii")
        image = io.read(tmp_path / "a.nii")
        assert np.allclose(image.affine, nib.load(tmp_path / "a.nii").affine)
        assert bool(image.notes) == (not (sform == 0 and qform))  # none, or two that disagree, or voxels of 3 mm


def test_other_units_become_millimetres(tmp_path: Path) -> None:
    made = nib.Nifti1Image(VOLUME, np.diag([500.0, 500, 800, 1]))
    made.header.set_xyzt_units("micron")
    made.to_filename(tmp_path / "a.nii")
    assert np.allclose(io.read(tmp_path / "a.nii").spacing, [0.5, 0.5, 0.8])


def test_4d_needs_a_frame(tmp_path: Path) -> None:
    values = RNG.integers(0, 99, (4, 5, 3, 6)).astype(np.int16)
    nib.Nifti1Image(values, AFFINE).to_filename(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"6 volumes.*--frame 0 to 5.*mean"):
        io.read(tmp_path / "a.nii.gz")
    picked = io.read(tmp_path / "a.nii.gz", frame=4)
    assert np.array_equal(picked.native()[0], values[..., 4])
    mean = io.read(tmp_path / "a.nii.gz", frame="mean")
    assert np.allclose(mean.native()[0], values.mean(axis=3))
    assert mean.notes == ("mean of 6 volumes",)
    nib.Nifti1Image(values[..., None, :1], AFFINE).to_filename(tmp_path / "b.nii.gz")
    assert io.read(tmp_path / "b.nii.gz").space == (4, 5, 3)


def test_rgb_is_colour_and_equal_channels_are_grey(tmp_path: Path) -> None:
    rgb = RNG.integers(0, 256, (4, 5, 3, 3)).astype(np.uint8)
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.Nifti1Image(rgb.view(kind)[..., 0], AFFINE).to_filename(tmp_path / "a.nii.gz")
    image = io.read(tmp_path / "a.nii.gz")
    assert np.array_equal(np.moveaxis(image.native(), 0, -1), rgb)
    assert image.window == (0, 255)
    rgb[:] = rgb[..., :1]
    nib.Nifti1Image(rgb.view(kind)[..., 0], AFFINE).to_filename(tmp_path / "a.nii.gz")
    assert io.read(tmp_path / "a.nii.gz").channels == 1


def test_a_ct_in_hounsfield_units_gets_the_stated_window(tmp_path: Path) -> None:
    nib.Nifti1Image(VOLUME, AFFINE).to_filename(tmp_path / "ct.nii.gz")
    image = io.read(tmp_path / "ct.nii.gz")
    assert image.modality is Modality.CT
    assert image.window == (-200, 800)
    assert np.array_equal(image.native()[0], VOLUME)
    nib.Nifti1Image(np.abs(VOLUME), AFFINE).to_filename(tmp_path / "ct.nii.gz")
    assert io.read(tmp_path / "ct.nii.gz").window == (np.abs(VOLUME).min(), np.abs(VOLUME).max())


def test_values_that_are_not_finite_stay_and_show_as_black(tmp_path: Path) -> None:
    values = VOLUME.astype(np.float32)
    values[0, 0, :] = np.nan, np.inf, -np.inf
    nib.Nifti1Image(values, AFFINE).to_filename(tmp_path / "a.nii")
    image = io.read(tmp_path / "a.nii")
    assert np.array_equal(image.native()[0], values, equal_nan=True)
    assert np.isfinite(image.window).all()
    assert image.pixels[0, 0, 0].tolist() == [0, 1, 0]
    nib.Nifti1Image(values * np.nan, AFFINE).to_filename(tmp_path / "b.nii")
    with pytest.raises(InputError, match="no finite value"):
        io.read(tmp_path / "b.nii")


@pytest.mark.parametrize("shape", [(7,), (4, 0, 3)])
def test_shapes_that_are_no_image_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nib.Nifti1Image(np.zeros(shape, np.float32), AFFINE).to_filename(tmp_path / "a.nii")
    with pytest.raises(InputError):
        io.read(tmp_path / "a.nii")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    nib.Nifti1Image(VOLUME.astype(np.complex64), AFFINE).to_filename(tmp_path / "a.nii")
    with pytest.raises(InputError, match="magnitude"):
        io.read(tmp_path / "a.nii")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, sign: int) -> None:
    pixels = (RNG.random((1, 4, 5, 3)) * 0.6 + 0.2).astype(np.float32)
    affine = AFFINE @ np.diag([sign, 1, 1, 1])
    image = io.read(io.write(Image(pixels, affine=affine), tmp_path / name))
    assert np.array_equal(image.pixels, pixels)
    assert image.window == (0, 1)
    assert np.allclose(image.affine, affine, atol=1e-5)


def test_both_transforms_are_written_unless_the_grid_is_sheared(tmp_path: Path) -> None:
    straight = np.array([[0, -2, 0, 5], [3, 0, 0, -7], [0, 0, 4.0, 1], [0, 0, 0, 1]])
    made = nib.load(io.write(Image(np.ones((1, 4, 5, 3), np.float32), affine=straight), tmp_path / "a.nii"))
    assert made.header["sform_code"] == made.header["qform_code"] == 1
    assert np.allclose(made.get_qform(), straight, atol=1e-5)
    sheared = straight.copy()
    sheared[0, 2] = 2
    made = nib.load(io.write(Image(np.ones((1, 4, 5, 3), np.float32), affine=sheared), tmp_path / "a.nii"))
    assert made.header["qform_code"] == 0
    assert np.allclose(made.affine, sheared)


def test_native_units_and_colour_survive_writing(tmp_path: Path) -> None:
    ct = Image.from_native(VOLUME[None], affine=AFFINE, modality=Modality.CT, window=(-100, 300))
    image = io.read(io.write(ct, tmp_path / "ct.nii.gz"))
    assert np.array_equal(image.native(), VOLUME[None])
    assert image.window == (-100, 300)
    colour = Image.from_native(RNG.integers(0, 256, (3, 4, 5, 3)).astype(np.uint8), window=(0, 255), affine=AFFINE)
    assert np.array_equal(io.read(io.write(colour, tmp_path / "c.nii.gz")).native(), colour.native())


def test_a_picture_stays_2d(tmp_path: Path) -> None:
    picture = Image(RNG.random((1, 6, 9)).astype(np.float32))
    image = io.read(io.write(picture, tmp_path / "a.nii.gz"))
    assert np.array_equal(image.pixels, picture.pixels)
    assert np.array_equal(image.affine, picture.affine)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_bomb_and_a_lie_are_refused_from_the_header(tmp_path: Path, compressed: bool) -> None:
    for shape, word in (((30000, 30000, 30000), "too large|truncated|can hold"), ((700, 700, 700), "a.nii")):
        made = nib.Nifti1Image(VOLUME, AFFINE)
        header = made.header.copy()
        header.set_data_shape(shape)
        header["magic"] = b"n+1"
        header["vox_offset"] = 352
        content = header.binaryblock + b"\0" * 400
        path = tmp_path / "a.nii"
        path.write_bytes(gzip.compress(content) if compressed else content)
        clock = time.perf_counter()
        with pytest.raises(InputError, match=word):
            io.read(path)
        assert time.perf_counter() - clock < 2


def placed(path: Path, sform: np.ndarray | None, qform: np.ndarray | None) -> Path:
    """A volume with these transforms, whose codes are set where they are given."""
    made = nib.Nifti1Image(VOLUME, np.eye(4))
    made.header["sform_code"], made.header["qform_code"] = int(sform is not None), int(qform is not None)
    if qform is not None:
        made.header.set_qform(qform, 1)
    if sform is not None:
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            made.header[name] = sform[row]
    content = made.header.binaryblock + bytes(4) + np.asanyarray(VOLUME).tobytes(order="F")
    path.write_bytes(content)
    return path


def test_a_singular_sform_falls_back_on_the_qform(tmp_path: Path) -> None:
    qform = np.diag([-2.0, 2, 3, 1])
    image = io.read(placed(tmp_path / "a.nii", np.zeros((4, 4)), qform))
    assert np.allclose(image.affine, qform)
    assert image.notes == ("its sform is no affine (singular): the qform is taken",)
    with pytest.raises(InputError, match="affine"):
        io.read(placed(tmp_path / "b.nii", np.zeros((4, 4)), None))


@pytest.mark.parametrize(("shift", "told"), [(0, False), (1.5, False), (3.5, True), (30, True)])
def test_transforms_that_disagree_by_more_than_a_voxel_are_noted(tmp_path: Path, shift: float, told: bool) -> None:
    qform, sform = np.diag([-2.0, 2, 3, 1]), np.diag([-2.0, 2, 3, 1])
    sform[0, 3] = shift
    image = io.read(placed(tmp_path / "a.nii", sform, qform))
    assert np.allclose(image.affine, sform)
    expected = (f"sform and qform of its header place a corner {shift:g} mm apart: the sform is taken",)
    assert image.notes == (expected if told else ())


def test_an_identity_with_a_code_is_a_place(tmp_path: Path) -> None:
    far = np.eye(4)
    far[0, 3] = 500
    here, there = io.read(placed(tmp_path / "a.nii", np.eye(4), None)), io.read(placed(tmp_path / "b.nii", far, None))
    assert has_geometry(here)
    assert not has_geometry(Image.of(np.asarray(VOLUME, np.uint8)))
    assert placed_over(there, here) == (there, "")


def test_voxels_of_another_size_than_the_sform_makes_are_noted(tmp_path: Path) -> None:
    made = nib.Nifti1Image(np.zeros((4, 5, 6), np.float32) + np.arange(6, dtype=np.float32), np.diag([2.0, 2, 2, 1]))
    made.set_qform(None, 0)
    nib.save(made, tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    assert not any("voxels of" in note for note in io.read(tmp_path / "a.nii").notes)
    struct.pack_into("<3f", content, 80, 1, 1, 1)
    (tmp_path / "a.nii").write_bytes(content)
    image = io.read(tmp_path / "a.nii")
    assert image.spacing == (2, 2, 2)
    assert any("voxels of 1 x 1 x 1 mm, its sform makes them 2 x 2 x 2 mm" in note for note in image.notes)


def test_a_field_of_vectors_is_no_image(tmp_path: Path) -> None:
    made = nib.Nifti1Image(np.random.default_rng(0).random((4, 5, 6, 1, 3), np.float32), np.eye(4))
    made.header.set_intent("vector")
    nib.save(made, tmp_path / "warp.nii.gz")
    with pytest.raises(InputError, match="3 components of a vector at every voxel"):
        io.read(tmp_path / "warp.nii.gz", frame=0)
