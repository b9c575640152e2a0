"""What callers hold in memory, and back in the same type."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import torch
from PIL import Image as Pillow

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import PICTURE_AFFINE, Image, Modality
from trifuse.io import arrays

RNG = np.random.default_rng(6)


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ((6, 7), (1, 6, 7)),
        ((6, 7, 3), (3, 6, 7)),
        ((6, 7, 5), (1, 6, 7, 5)),
        ((6, 7, 5, 3), (3, 6, 7, 5)),
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_numpy_goes_in_and_comes_out(shape: tuple[int, ...], pixels: tuple[int, ...], kind: type) -> None:
    values = RNG.random(shape) if np.issubdtype(kind, np.floating) else RNG.integers(0, 200, shape)
    array = values.astype(kind)
    image = Image.of(array)
    assert image.pixels.shape == pixels
    expected = np.moveaxis(array, -1, 0) if pixels[0] == 3 else array[None]
    assert np.array_equal(image.native(), expected)
    back = arrays.like(image, array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.allclose(back.astype(float), array.astype(float), atol=1e-3 if kind == np.float16 else 1e-6)


def test_other_numbers_come_back_as_display_values() -> None:
    array = RNG.integers(-1000, 1000, (6, 7)).astype(np.int16)
    image = Image.of(array)
    assert image.window == (array.min(), array.max())
    assert np.array_equal(image.native()[0], array)
    back = arrays.like(image, array)
    assert back.dtype == np.float32
    assert back.min() == 0
    assert back.max() == 1


def test_the_windows_of_arrays_are_those_of_files() -> None:
    assert Image.of(np.full((3, 3), 7, np.uint8)).window == (0, 255)
    assert Image.of(np.full((3, 3), 3000, np.uint16)).window == (0, 4095)
    assert Image.of(np.full((3, 3), 0.5)).window == (0, 1)
    assert Image.of(np.array([[0.0, 7.0]])).window == (0, 7)
    assert Image.of(np.eye(3, dtype=bool)).window == (0, 1)


def test_pictures_and_volumes_get_their_usual_places() -> None:
    assert np.array_equal(Image.of(np.ones((3, 4))).affine, PICTURE_AFFINE)
    assert np.array_equal(Image.of(np.ones((3, 4, 5))).affine, np.eye(4))


def test_the_callers_array_is_his_own() -> None:
    array = np.full((3, 4), 5, np.uint8)
    image = Image.of(array)
    array[:] = 9
    assert np.array_equal(image.native(), np.full((1, 3, 4), 5))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5),
        np.zeros((0, 4)),
        np.zeros((2, 3, 4, 5)),
        np.zeros((6, 7, 4), np.uint8),
        np.zeros((3, 3), complex),
        np.full((3, 3), np.nan),
        np.array([["a", "b"]]),
        np.array(3.0),
    ],
)
def test_arrays_that_are_no_image_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError) as error:
        Image.of(array)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(6, 7), (1, 6, 7), (3, 6, 7), (1, 6, 7, 5), (3, 6, 7, 5)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_torch_goes_in_and_comes_out(shape: tuple[int, ...], kind: torch.dtype) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    tensor = (values * 255).to(kind) if kind == torch.uint8 else values.to(kind)
    image = Image.of(tensor)
    assert image.pixels.shape == (shape if len(shape) > 2 else (1, *shape))
    back = arrays.like(image, tensor)
    assert back.dtype == kind
    assert back.shape == shape
    assert torch.allclose(back.double(), tensor.double(), atol=1e-6)


def test_a_tensor_with_gradient_is_read() -> None:
    assert Image.of(torch.rand(4, 5, requires_grad=True)).space == (4, 5)


@pytest.mark.parametrize("shape", [(5,), (4, 6, 7), (2, 3, 6, 7), (1, 3, 6, 7), (1, 1, 6, 7), (1, 1, 4, 6, 7), (0, 4)])
def test_tensors_that_are_no_image_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        Image.of(torch.zeros(shape))


def test_colour_results_of_grey_templates_gain_the_axis_and_grey_ones_are_repeated() -> None:
    grey, colour = Image(np.zeros((1, 6, 7), np.float32)), Image(np.zeros((3, 6, 7), np.float32))
    assert arrays.like(colour, np.zeros((6, 7))).shape == (6, 7, 3)
    assert arrays.like(grey, np.zeros((6, 7, 3))).shape == (6, 7, 3)
    assert arrays.like(colour, torch.zeros(6, 7)).shape == (3, 6, 7)
    assert arrays.like(colour, torch.zeros(1, 6, 7)).shape == (3, 6, 7)
    assert arrays.like(grey, torch.zeros(3, 6, 7)).shape == (3, 6, 7)


def test_a_larger_result_keeps_its_size() -> None:
    assert arrays.like(Image(np.zeros((1, 12, 14), np.float32)), np.zeros((6, 7), np.uint8)).shape == (12, 14)


def test_nibabel_goes_in_and_comes_out() -> None:
    affine = np.array([[0, 2, 0, 5], [0, 0, -3, 6], [4.0, 0, 0, 7], [0, 0, 0, 1]])
    values = RNG.integers(-99, 99, (4, 5, 6)).astype(np.int16)
    source = nib.Nifti1Image(values, affine)
    image = Image.of(source)
    assert np.array_equal(image.native()[0], values)
    back = arrays.like(image, source)
    assert isinstance(back, nib.Nifti1Image)
    assert np.array_equal(back.get_fdata(), values)
    assert np.allclose(back.affine, affine)
    with pytest.raises(InputError, match="volumes"):
        Image.of(nib.Nifti1Image(np.zeros((3, 3, 3, 2)), affine))


def oriented(values: np.ndarray, vector: bool = False) -> SimpleITK.Image:
    source = SimpleITK.GetImageFromArray(values, isVector=vector)
    source.SetSpacing((2.0, 3.0, 4.0))
    source.SetOrigin((10.0, -20.0, 30.0))
    source.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, -1))
    return source


def test_simpleitk_goes_in_and_comes_out() -> None:
    source = oriented(RNG.integers(-99, 99, (6, 5, 4)).astype(np.int16))
    image = Image.of(source)
    assert image.space == source.GetSize()
    for index in ((0, 0, 0), (3, 2, 5)):
        assert image.native()[0][index] == source[index]
        place = np.array(source.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        assert np.allclose((image.affine @ [*index, 1])[:3], place)
    back = arrays.like(image, source)
    assert np.array_equal(SimpleITK.GetArrayFromImage(back), SimpleITK.GetArrayFromImage(source))
    assert np.allclose(back.GetDirection(), source.GetDirection())
    assert np.allclose(back.GetOrigin(), source.GetOrigin())
    assert np.allclose(back.GetSpacing(), source.GetSpacing())


def test_simpleitk_in_colour_and_in_2d() -> None:
    source = oriented(RNG.integers(0, 255, (6, 5, 4, 3)).astype(np.uint8), vector=True)
    image = Image.of(source)
    assert image.pixels.shape == (3, 4, 5, 6)
    assert np.array_equal(SimpleITK.GetArrayFromImage(arrays.like(image, source)), SimpleITK.GetArrayFromImage(source))
    flat = SimpleITK.GetImageFromArray(RNG.integers(0, 255, (6, 5)).astype(np.uint8))
    picture = Image.of(flat)
    assert picture.space == (6, 5)
    assert np.array_equal(picture.affine, PICTURE_AFFINE)
    back = arrays.like(picture, flat)
    assert np.array_equal(SimpleITK.GetArrayFromImage(back), SimpleITK.GetArrayFromImage(flat))
    assert back.GetDirection() == flat.GetDirection()


def test_simpleitk_images_that_cannot_be_used_are_refused() -> None:
    for source in (
        SimpleITK.Image([3, 3, 3, 3], SimpleITK.sitkFloat32),
        SimpleITK.Image([3, 3], SimpleITK.sitkVectorFloat32, 2),
        SimpleITK.Image([3, 3], SimpleITK.sitkComplexFloat32),
    ):
        with pytest.raises(InputError):
            Image.of(source)


def test_a_sheared_grid_does_not_fit_into_simpleitk() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    with pytest.raises(InputError, match="sheared"):
        arrays.to_itk(Image(np.zeros((1, 3, 3, 3), np.float32), affine=sheared))


def test_the_modality_of_a_dicom_read_by_simpleitk_is_kept() -> None:
    source = oriented(RNG.integers(-1000, 99, (6, 5, 4)).astype(np.int16))
    source.SetMetaData("0008|0060", "CT")
    assert Image.of(source).modality is Modality.CT
    assert Image.of(source).window == (-200, 800)


def test_pillow_goes_in_and_comes_out() -> None:
    source = Pillow.fromarray(RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    back = arrays.like(Image.of(source), source)
    assert np.array_equal(np.asarray(back), np.asarray(source))


def test_paths_get_the_image_itself() -> None:
    image = Image(np.zeros((1, 6, 7), np.float32))
    assert arrays.like(image, "t1.png") is image
    assert io.to_image(arrays.like(image, image)) is image
