"""The range of grey levels: told by the number type, the values, the other images, the caller, or guessed aloud."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest

import trifuse
from trifuse.core.errors import OptionError
from trifuse.core.image import Image, Modality
from trifuse.io.ranges import RangeWarning

RNG = np.random.default_rng(2)
BYTES = RNG.integers(0, 256, (24, 20)).astype(np.uint8)


def hounsfield(shape: tuple[int, ...]) -> np.ndarray:
    """A body of soft tissue and some bone in air, with padding beside the field of view."""
    values = np.full(shape, -1000.0)
    values[2:-2, 2:-2] = 40
    values[4, 4] = 900
    values[0] = -3024
    return values


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint32])
def test_whole_numbers_up_to_255_are_grey_levels(kind: type) -> None:
    values = (BYTES // 3).astype(kind)
    image = Image.of(values)
    assert image.window == (0, 255)
    assert np.allclose(image.pixels[0] * 255, values)
    assert "grey levels 0..255" in image.notes[0]
    assert Image.of((BYTES > 99).astype(kind)).window == (0, 1)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("role", ["fused", "source", "reference"])
def test_what_the_other_images_say_counts(kind: type, role: str) -> None:
    fused, other = BYTES // 2, BYTES.copy()
    given = {
        name: values.astype(kind) if name == role else values for name, values in (("fused", fused), ("source", other))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", RangeWarning)
        reference = other.astype(kind) if role == "reference" else None
        scores = trifuse.evaluate(given["fused"], [given["source"], other], reference, metrics=["mae", "psnr"])
    expected = trifuse.evaluate(fused, [other, other], None if reference is None else other, metrics=["mae", "psnr"])
    assert scores == pytest.approx(expected, rel=1e-6)


def test_fractions_beside_bytes_are_bytes_too() -> None:
    a, b = Image.all_of([BYTES * 0.7, BYTES])
    assert a.window == b.window == (0, 255)
    assert a.notes == ("grey levels taken as 0..255, like those of the other images",)


def test_uptake_beside_bytes_is_not_taken_for_bytes() -> None:
    with pytest.warns(RangeWarning, match=r"source 1: float64 values 0\.\.8 do not tell their range: 0\.\.8 taken"):
        uptake, _ = Image.all_of([np.linspace(0, 8, 480).reshape(24, 20), BYTES])
    assert uptake.window == (0, 8)


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (BYTES * 0.999, (0, 255)),
        (BYTES * 40.5, (0, 40.5 * int(BYTES.max()))),
        (BYTES.astype(np.int32) * 9 - 100, (-100, int(BYTES.max()) * 9 - 100)),
        (BYTES / 127.5 - 1, (-1, 1)),
    ],
)
def test_a_guess_is_told_with_the_way_to_give_the_range(values: np.ndarray, ends: tuple[float, float]) -> None:
    with pytest.warns(RangeWarning, match=r"range=\(low, high\)"):
        image = Image.of(values)
    assert image.window == pytest.approx(ends, abs=1e-6)
    assert "do not tell their range" in image.notes[0]


def test_a_little_overshoot_is_clipped() -> None:
    values = BYTES / 255
    for low, high in ((-0.04, 1.03), (-0.2, 1.3)):
        values[3, 4], values[5, 6] = low, high
        image = Image.of(values)
        assert image.window == (0, 1)
        assert image.notes == (f"2 values outside 0..1 ({low:g}..{high:g}) clipped",)
        assert (image.pixels[0, 3, 4], image.pixels[0, 5, 6]) == (0, 1)


def test_the_caller_may_give_the_range() -> None:
    image = Image.of(BYTES * 2.0, range=(0, 1000))
    assert image.window == (0, 1000)
    a = trifuse.fuse([BYTES * 2.0, BYTES * 1.0], "max", range=(0, 1000)).image.pixels
    assert a[0] * 500 == pytest.approx(BYTES, abs=1e-3)
    scores = trifuse.evaluate(BYTES * 2.0, [BYTES * 2.0], metrics=["mae"], range=(0, 510))
    assert scores["mae"] == 0
    for wrong in ((1, 0), (0, np.nan), (0,), "wide"):
        with pytest.raises(OptionError, match="range="):
            Image.of(BYTES * 2.0, range=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 6)])
def test_hounsfield_units_are_known_by_their_air(kind: type, shape: tuple[int, ...]) -> None:
    values = hounsfield(shape).astype(kind)
    image = Image.of(values)
    assert (image.modality, image.window, image.units) == (Modality.CT, (-200, 800), "HU")
    assert image.pixels[0, 0].max() == 0
    assert "the window of a CT" in image.notes[0]


def test_other_negative_values_are_no_ct() -> None:
    with pytest.warns(RangeWarning):
        assert Image.of(RNG.integers(-4096, 4096, (40, 40)).astype(np.int16)).modality is Modality.OTHER


def test_channels_first_is_ambiguous() -> None:
    for shape, way in (((3, 20, 24), "moveaxis"), ((1, 20, 24), r"array\[0\]")):
        with pytest.raises(trifuse.TrifuseError, match=way):
            Image.of(np.zeros(shape, np.uint8))


def test_values_that_are_not_finite_are_counted_before_measuring() -> None:
    values = BYTES / 255
    values[0, :5] = np.nan
    with pytest.warns(UserWarning, match="fused: 5 values of 480 are not finite"):
        scores = trifuse.evaluate(values, [BYTES], metrics=["mae"])
    black = np.where(np.isnan(values), 0, values)
    assert scores["mae"] == pytest.approx(255 * np.abs(black - BYTES / 255).mean(), abs=1e-4)


@pytest.mark.parametrize("padding", [-32768, -1000])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_padding_is_no_intensity(padding: int, kind: type) -> None:
    values = RNG.integers(0, 800, (20, 24, 6)).astype(kind)
    values[:3] = padding
    image = Image.of(nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1])))
    assert image.window == (values[3:].min(), values.max())
    assert image.pixels[0, :3].max() == 0
    assert image.notes == (f"{padding} lies far below all other values: taken as padding, shown as black",)
    assert np.array_equal(image.native()[0], values)


def test_what_is_signed_or_a_label_has_no_padding() -> None:
    signed = RNG.normal(0, 100, (20, 24, 6)).astype(np.float32)
    labels = RNG.integers(-1, 3, (20, 24, 6)).astype(np.int16) * 10
    for values in (signed, labels):
        image = Image.of(nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1])))
        assert image.window == pytest.approx((values.min(), values.max()))
        assert image.notes == ()
