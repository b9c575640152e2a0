"""`trifuse sample` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.diffusion.test_prior import own
from trifuse import io
from trifuse.cli.app import app
from trifuse.core.errors import OptionError, WeightsError


def test_a_sheet_is_written(tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    arguments = ["sample", own(tmp_path), "-o", str(target), "-n", "3", "--size", "16", "--steps", "2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "3 of 16 x 16" in done.output
    assert io.read(target).space == (38, 38)


def test_bad_names_are_reported_before_any_work(tmp_path: Path) -> None:
    for arguments, error in (
        (["sample", own(tmp_path), "-o", str(tmp_path / "sheet.xyz")], OptionError),
        (["sample", "weights-of-nobody", "-o", str(tmp_path / "sheet.png")], WeightsError),
    ):
        done = CliRunner().invoke(app, arguments)
        assert isinstance(done.exception, error)
    assert not list(tmp_path.glob("sheet*"))


@pytest.mark.parametrize("word", ["--help"])
def test_help_teaches(word: str) -> None:
    assert "Examples" in CliRunner().invoke(app, ["sample", word]).output
