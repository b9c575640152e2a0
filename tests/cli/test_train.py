"""The command `train`."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from trifuse.cli.train import train
from trifuse.errors import InputError

app = typer.Typer()
app.command()(train)


def test_a_missing_recipe_is_a_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "none.yaml"), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert "recipe cannot be read" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_help_names_what_is_taken() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    assert "YAML recipe" in text
    assert "--resume" in text


@pytest.mark.parametrize("text", ["name: x", "[]"])
def test_an_incomplete_recipe_is_a_clear_error(tmp_path: Path, text: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    result = CliRunner().invoke(app, [str(recipe), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
