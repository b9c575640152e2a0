"""Options are checked against the range declared beside them, however a method is made."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import trifuse
from trifuse import methods
from trifuse.core.errors import OptionError
from trifuse.methods.base import configure, options_of
from trifuse.methods.ranges import ANY, Within, range_of

NUMBERS = [
    (name, field.name, range_of(field))
    for name in methods.names()
    for field in dataclasses.fields(methods.get(name))
    if "int" in str(field.type) or "float" in str(field.type)
]


@pytest.mark.parametrize(("name", "option", "wanted"), NUMBERS)
def test_numbers_out_of_range_are_refused_with_the_range(name: str, option: str, wanted: Within) -> None:
    assert wanted != ANY, "every number declares what it takes"
    cls = methods.get(name)
    for wrong in (-1, "nan", "inf", "-inf"):
        with pytest.raises(OptionError, match=option):
            configure(cls, {option: wrong})
    if option != "window":  # which has a rule of its own
        with pytest.raises(OptionError, match=f"method {cls.card.name}, option {option}: -1 is out of range; give "):
            cls(**{option: -1})
    assert f"({wanted})" in next(each.help for each in options_of(cls) if each.name == option)


def test_a_range_says_what_it_takes() -> None:
    assert str(Within(at_least=0, at_most=1)) == "0 to 1"
    assert str(Within(above=0, below=1)) == "above 0 and below 1"
    assert str(Within(at_least=1)) == "1 or more"
    assert Within(above=0).holds(1e-9)
    assert not Within(above=0).holds(0)
    assert not ANY.holds(math.nan)


def test_patches_must_step() -> None:
    sources = [np.random.default_rng(0).random((24, 24))] * 2
    with pytest.raises(OptionError, match="overlap: 8 leaves no step; give 0 to 7"):
        trifuse.fuse(sources, "ctsr", options={"overlap": 8})
