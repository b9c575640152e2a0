"""Windows: how people name them, which image they are meant for, and when they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trifuse import Image, Modality
from trifuse.core.errors import InputError, OptionError
from trifuse.core.window import PRESETS, parse, shown


@pytest.fixture
def ct() -> Image:
    values = np.array([[[-1000, 0, 40, 80, 3000]]], dtype=np.int16)
    return Image.from_native(values, modality=Modality.CT, units="HU", window=(-200, 800))


@pytest.fixture
def pet() -> Image:
    values = np.array([[[0, 1.5, 3, 6, 80]]], dtype=np.float64)
    return Image.from_native(values, modality=Modality.PET, units="SUV")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("brain", (0, 80)),
        ("bone", (-500, 1300)),
        ("lung", (-1350, 150)),
        ("Soft_Tissue", (-160, 240)),
        ("suv6", (0, 6)),
        ("SUV-2.5", (0, 2.5)),
        ("0:6", (0, 6)),
        ("-160, 240", (-160, 240)),
        ("1e3:.5e4", (1000, 5000)),
    ],
)
def test_a_window_is_a_preset_or_two_numbers(text: str, ends: tuple[float, float]) -> None:
    window = parse(text)
    assert (window.low, window.high) == ends


@pytest.mark.parametrize("text", ["brian", "", "6", "6:0", "nan:6", "0:inf", "0:6:9", "1%:99", "-1%:50%", "suv0"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="window"):
        parse(text)


def test_each_source_gets_the_window_that_is_most_exactly_its_own(ct: Image, pet: Image) -> None:
    other = replace(ct, modality=Modality.T1, units="")
    seen = shown([ct, pet, other], ["brain", "ct=bone", "suv10", "2:0,6", "t1:0:100"])
    assert [image.window for image in seen] == [(-500, 1300), (0, 6), (0, 100)]
    assert seen[1].pixels.ravel().tolist() == [0, 0.25, 0.5, 1, 1]
    assert seen[1].notes == ("shown from 0 to 6 SUV, as asked for: 0,6",)
    assert np.array_equal(seen[1].native(), pet.native())
    assert shown([ct, pet], ["suv6"])[0] is ct


def test_names_stand_for_numbers(ct: Image, pet: Image) -> None:
    assert [image.window[1] for image in shown([ct, pet], ["second=0:3"], names=["first", "second"])] == [800, 3]


def test_percentiles_leave_out_what_is_not_finite() -> None:
    image = Image.from_native(np.array([[[np.nan, *range(101)]]]))
    assert image.windowed("10%:90%").window == (10, 90)
    assert image.windowed("full").window == (0, 100)
    with pytest.raises(InputError, match="all 7"):
        Image.from_native(np.full((1, 2, 2), 7)).windowed("full")


@pytest.mark.parametrize("asked", [["3=0:6"], ["0=0:6"], ["mr=0:6"], ["suv6", "suv10"], ["0:6"], ["1=0:6", "1=0:8"]])
def test_windows_that_meet_no_source_or_one_twice_are_refused(ct: Image, pet: Image, asked: list[str]) -> None:
    with pytest.raises(OptionError, match="--window"):
        shown([ct, pet], asked)


def test_a_preset_is_for_its_own_units(ct: Image, pet: Image) -> None:
    with pytest.raises(InputError, match="SUV and the image holds HU"):
        shown([ct, pet], ["1=suv6"])
    raw = replace(pet, units="Bq/ml")
    with pytest.raises(InputError, match="add --units suv"):
        shown([ct, raw], ["2=suv6"])
    assert shown([ct, raw], ["2=0:50000"])[1].window == (0, 50000)
    picture = Image.from_native(np.array([[[0, 255]]], np.uint8), modality=Modality.CT)
    with pytest.raises(InputError, match="grey levels"):
        picture.windowed("brain")
    with pytest.raises(InputError, match="T1"):
        replace(ct, modality=Modality.T1, units="").windowed("brain")


def test_what_is_shown_bright_at_low_values_stays_so() -> None:
    film = Image.from_native(np.array([[[0, 50, 100, np.nan]]]), window=(100, 0))
    seen = film.windowed(0, 50)
    assert seen.window == (50, 0)
    assert seen.pixels.ravel().tolist() == [1, 0, 0, 0]


def test_all_presets_are_told_in_the_units_they_are_for() -> None:
    assert {window.units for window in PRESETS.values()} == {"HU", ""}
    assert all(window.name == name for name, window in PRESETS.items())
