"""Recipes are read, checked and found beside their file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from trifuse.bench import recipe as bench
from trifuse.core.errors import InputError
from trifuse.train import plan, train
from trifuse.train.recipe import load
from trifuse.train.settings.data import Tables
from trifuse.train.settings.schedule import Schedule

RECIPES = sorted(p for folder in ("train", "ablation") for p in (files("trifuse") / "recipes" / folder).glob("*.yaml"))
TEXT = """
name: small
data: {kind: tables, tables: [lists/triplets.csv]}
model: {task: source-sr, width: 8, blocks: 1}
schedule: {steps: 4, batch: 2}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_relative_paths_are_read_from_the_recipe(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, TEXT))
    assert isinstance(recipe.data, Tables)
    assert recipe.data.tables == (tmp_path / "lists/triplets.csv",)


def test_environment_variables_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTS", "/somewhere/else")
    recipe = load(write(tmp_path, TEXT.replace("lists/", "$LISTS/")))
    assert isinstance(recipe.data, Tables)
    assert recipe.data.tables == (Path("/somewhere/else/triplets.csv"),)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 4", "steps: 0", r"field schedule\.steps"),
        ("steps: 4", "stepps: 4", r"field schedule\.\w+"),
        ("source-sr, width", "painting, width", r"field model"),
        ("batch: 2", "sides: {8: 100}", r"100 is no multiple of its scale 8"),
        ("batch: 2", "cooldown: 9", r"cooldown 9 is longer"),
        ("name: small", "name: [", r"not valid YAML"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(write(tmp_path, TEXT.replace(old, new)))


def test_a_missing_recipe_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_recipes_of_the_repository_are_valid(path: Path) -> None:
    assert all(stage.recipe.schedule.steps > 0 for stage in plan.load(path).all())


def test_the_learning_rate_rises_stays_and_falls() -> None:
    schedule = Schedule(steps=100, warmup=10, cooldown=20, learning_rate=1.0)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[81:] == sorted(rates[81:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name: x\ndata: {kind: tables, tables: [$NOWHERE_1/t.csv]}\nmodel: {task: dilran}\nschedule: {steps: 1}\n"
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.delenv("NOWHERE_1", raising=False)
    with pytest.raises(InputError, match=r"uses the variable \$NOWHERE_1, which is not set"):
        train(tmp_path / "r.yaml", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("NOWHERE_1", "/somewhere")
    assert str(load(tmp_path / "r.yaml").data.tables[0]) == "/somewhere/t.csv"  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 3000, b"a: b: c", b"just text"])
def test_what_is_no_recipe_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    for read in (load, bench.load):
        with pytest.raises(InputError, match=r"r\.yaml") as error:
            read(path)
        assert "\n" not in str(error.value)
