"""Image: display pixels, native units and geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trifuse import Image, Modality
from trifuse.core.errors import InputError
from trifuse.core.image import guess_modality, scaled_affine


@given(hnp.arrays(np.int16, (1, 3, 4)))
def test_native_values_return_exactly(values: np.ndarray) -> None:
    image = Image.from_native(values)
    assert np.array_equal(image.native(), values)
    assert image.pixels.dtype == np.float32
    assert image.pixels.min() >= 0
    assert image.pixels.max() <= 1


@given(hnp.arrays(np.uint16, (1, 5, 2)))
def test_pixels_alone_hold_sixteen_bits(values: np.ndarray) -> None:
    image = Image.from_native(values, window=(0, 65535))
    assert np.array_equal(np.rint(image.with_pixels(image.pixels).native()), values)


def test_values_that_are_not_finite_are_background() -> None:
    image = Image.from_native(np.array([[[np.nan, 1.0, np.inf, -np.inf, 3.0]]]))
    assert image.window == (1.0, 3.0)
    assert image.pixels.tolist() == [[[0.0, 0.0, 1.0, 0.0, 1.0]]]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.full((1, 2, 2), np.nan), "finite"),
        (np.zeros((1, 0, 4)), "empty"),
        (np.zeros((1, 2, 2), dtype=complex), "complex"),
        (np.zeros((2, 4, 4)), "shape"),
        (np.zeros((1, 4)), "shape"),
    ],
)
def test_what_is_no_image_is_refused_in_words(values: np.ndarray, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Image.from_native(values)


def test_affine_must_be_invertible() -> None:
    with pytest.raises(InputError, match="affine"):
        Image(np.zeros((1, 2, 2), dtype=np.float32), affine=np.zeros((4, 4)))


def test_a_window_clips_the_display_and_keeps_the_units() -> None:
    image = Image.from_native(np.array([[[-1000, 0, 40, 80, 3000]]], dtype=np.int16))
    brain = image.windowed(0, 80)
    assert np.allclose(brain.pixels, [[[0, 0, 0.5, 1, 1]]])
    assert np.array_equal(brain.native(), image.native())
    with pytest.raises(InputError, match="window"):
        image.windowed(5, 5)


@given(
    hnp.arrays(np.float64, (3, 3), elements=st.floats(-3, 3)).filter(lambda a: abs(np.linalg.det(a)) > 0.1),
    st.sampled_from([2, 4, 8]),
)
def test_magnification_keeps_the_edges_in_place(linear: np.ndarray, scale: int) -> None:
    affine = np.eye(4)
    affine[:3, :3] = linear
    finer = scaled_affine(affine, (scale, scale, scale))
    for old, new in ((-0.5, -0.5), (9.5, 10 * scale - 0.5)):
        assert np.allclose(finer @ [new, new, new, 1], affine @ [old, old, old, 1])
    assert np.allclose(np.linalg.norm(finer[:3, :3], axis=0) * scale, np.linalg.norm(linear, axis=0))


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("t1.nii.gz", Modality.T1),
        ("patient-7_PET.png", Modality.PET),
        ("spect-tc.png", Modality.SPECT),
        ("mr-gad.gif", Modality.GAD),
        ("spectacle.png", Modality.OTHER),
        ("other.png", Modality.OTHER),
    ],
)
def test_modality_is_read_from_the_file_name(name: str, modality: Modality) -> None:
    assert guess_modality(Path(name)) is modality
