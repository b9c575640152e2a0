"""What an extra brings, and what is said where it is not installed."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trifuse.cli.app import app
from trifuse.core.extras import EXTRAS, WHY, ExtraError, missing, need

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def named(requirements: list[str]) -> set[str]:
    """Names of the distributions that are required, as their modules are spelled."""
    return {re.split(r"[^A-Za-z0-9_-]", line)[0].replace("-", "_") for line in requirements}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_its_modules(extra: str) -> None:
    assert named(PROJECT["optional-dependencies"][extra]) == set(EXTRAS[extra])
    assert WHY[extra]


def test_all_brings_every_extra() -> None:
    assert PROJECT["optional-dependencies"]["all"] == [f"trifuse[{','.join(EXTRAS)}]"]


def test_what_is_there_is_not_asked_for() -> None:
    need("plot", "a sheet")
    assert missing("plot") == []


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "scikit_posthocs", None)  # which may be absent indeed
    assert missing("bench") == ["jinja2", "pandas", "scikit_posthocs"]
    need("bench", "a plot", "matplotlib")
    with pytest.raises(
        ExtraError, match=r"^a bench needs jinja2, pandas, scikit_posthocs, which are not .*'trifuse\[bench\]'"
    ) as error:
        need("bench", "a bench")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("command", "absent", "extra"),
    [
        (["demo"], "matplotlib", "plot"),
        (["compare", "a.png", "b.png"], "matplotlib", "plot"),
        (["fuse", "a.png", "b.png", "--picture", "p.png", "-o", "o.png"], "matplotlib", "plot"),
        (["bench", "dual"], "scikit_posthocs", "bench"),
        (["train", "source-sr"], "accelerate", "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_command_asks_for_its_extra_before_any_work(
    command: list[str], absent: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command if "-o" in command else [*command, "-o", "out"])
    assert isinstance(result.exception, ExtraError), result.exception
    assert f"pip install 'trifuse[{extra}]'" in str(result.exception)
    assert not list(tmp_path.iterdir())
