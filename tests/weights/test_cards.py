"""Pages beside shipped checkpoints: one form: on whom and how they were trained, how good they are, their limits."""

from __future__ import annotations

import re

import pytest

from tests.cli.test_cli import trifuse
from trifuse.core.shelf import TRAINING, shipped
from trifuse.weights.catalogue import CATALOGUE
from trifuse.weights.store import card

SHIPPED = [entry.name for entry in CATALOGUE.values() if entry.file is not None]
PARTS = ["What it does", "Network", "Data", "Training", "Measured", "Limits"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_has_every_part(name: str) -> None:
    page = card(name)
    heads = re.findall(r"^\*\*([A-Z][A-Za-z ]*)\.?\*\*", page, flags=re.MULTILINE)
    assert page.startswith(f"# {name}:")

    assert set(PARTS) <= set(heads)
    assert heads[0] == "What it does"
    assert heads[-1] == "Limits"
    assert "not a medical device" in page or "not a medical device" in CATALOGUE[name].licence


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_names_the_recipe_that_makes_such_weights(name: str) -> None:
    recipe = CATALOGUE[name].recipe
    assert recipe in shipped(TRAINING)
    assert f"{recipe}.yaml" in card(name) or f"trifuse train\n{recipe}" in card(name) or f"train {recipe}" in card(name)


def test_a_card_is_shown() -> None:
    text = trifuse("weights", "show", "sr3").stdout
    assert text.startswith("# sr3:")
    assert "`trifuse train sr3`" in text
    assert "did you mean 'sr3'" in trifuse("weights", "show", "sr33", code=2).stderr


def test_what_is_not_shipped_says_where_it_is_found() -> None:
    name = next(entry.name for entry in CATALOGUE.values() if entry.file is None)
    assert CATALOGUE[name].origin in trifuse("weights", "show", name).stdout
