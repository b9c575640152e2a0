"""Run: every setting written down once, for calls, the command line and recipes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import trifuse
from trifuse import Run
from trifuse.bench.recipe import OF_THE_RECIPE, Entry
from trifuse.cli.settings import takes_run
from trifuse.core.errors import OptionError
from trifuse.fusion.settings import SETTINGS

PAIR = [np.random.default_rng(seed).random((6, 5), dtype=np.float32) for seed in range(2)]


def test_a_run_is_the_same_as_its_settings_by_name() -> None:
    whole = trifuse.fuse(PAIR, "mean", run=Run(scale=2, upsample="after"))
    named = trifuse.fuse(PAIR, "mean", scale=2, upsample="after")
    changed = trifuse.fuse(PAIR, "mean", run=Run(scale=4, upsample="after"), scale=2)
    for other in (named, changed):
        assert np.array_equal(whole.image.pixels, other.image.pixels)
        assert whole.provenance["settings"] == other.provenance["settings"]


@pytest.mark.parametrize("function", [trifuse.fuse, trifuse.compare])
def test_help_shows_the_settings(function: Callable[..., object]) -> None:
    shown = inspect.signature(function).parameters
    assert {each.name for each in fields(Run)} <= set(shown)
    assert shown["scale"].default == 1
    assert "settings" not in shown


def test_none_leaves_a_value_as_it_is() -> None:
    assert Run(scale=2).changed(scale=None, options=None) == Run(scale=2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": 3}, "scale 3 is not known; choose 1, 2, 4, 8"),
        ({"samples": 0}, "samples 0 is out of range; give 1 or more"),
        ({"samples": "2"}, "samples '2' is no whole number"),
        ({"axis": 3}, "axis 3 is out of range; give 0 to 2"),
        ({"seed": 2**32}, "give 0 to 4294967294"),
        ({"register": "elastic"}, "choose none, auto, resample, rigid, affine, deformable"),
    ],
)
def test_bad_values_are_refused_with_what_there_is(values: dict, words: str) -> None:
    with pytest.raises(OptionError, match=re.escape(words)):
        Run(**values)


def test_a_setting_that_does_not_exist_gets_the_nearest() -> None:
    with pytest.raises(OptionError, match="no setting 'scal'; did you mean 'scale'"):
        trifuse.fuse(PAIR, "mean", scal=2)
    with pytest.raises(OptionError, match="configured already"):
        trifuse.fuse(PAIR, trifuse.methods.get("mean")(), options={"a": 1})


@pytest.mark.parametrize("command", ["fuse", "compare"])
def test_every_setting_is_an_option_of_the_command_line(command: str) -> None:
    options = set(inspect.signature(getattr(import_module(f"trifuse.cli.{command}"), command)).parameters)
    assert {each.name for each in fields(Run) if not each.metadata["setting"].in_calls_alone} - options <= {"options"}


def test_every_setting_but_those_of_the_recipe_is_one_of_a_benchmark_row() -> None:
    values = {"samples": 3, "axis": 1, "options": {"a": 1}, "upsampler": "sr3"}
    assert Entry.model_validate({"method": "mean", **values}).run == Run(**values, colour="luma")  # as published
    for name in OF_THE_RECIPE:
        with pytest.raises(ValueError, match="Extra inputs"):
            Entry.model_validate({"method": "mean", name: getattr(Run(), name)})
    with pytest.raises(ValueError, match="samples 0 is out of range"):
        Entry.model_validate({"method": "mean", "samples": 0})


def test_the_command_line_makes_the_run() -> None:
    seen: list[Run] = []
    shell = typer.Typer()

    @shell.command()
    @takes_run(without=["workers"])
    def show(name: str, *, run: Run, loud: bool = False) -> None:
        """Show."""
        assert name == "x"
        assert loud
        seen.append(run)

    line = ["x", "--loud", "--reference", "2", "--scale", "4", "-O", "a=1", "--option", "b = 2", "--register", "rigid"]
    assert CliRunner().invoke(shell, line, catch_exceptions=False).exit_code == 0
    assert seen == [Run(reference=1, scale=4, options={"a": "1", "b": "2"}, register="rigid")]
    assert CliRunner().invoke(shell, ["x", "--loud", "--reference", "0"]).exit_code == 2
    assert CliRunner().invoke(shell, ["x", "--workers", "1"]).exit_code == 2


def test_the_settings_explain_themselves() -> None:
    for name, known in SETTINGS.items():
        assert known.help
        assert f"{name}: " in str(Run.__doc__)
