"""The README: what it says can be typed, and its table is what the results say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import typer.main

from tests.prepare.studies import MR, PET, PET_SIZE, head, nifti
from trifuse.cli.app import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[list[str]]:
    """Every command line of ours in the blocks of a page, as words, comments aside."""
    lines = (
        "\n".join(blocks(path.read_text(encoding="utf-8"), "(?:sh|bash|console)?")).replace("\\\n", " ").splitlines()
    )
    ours = (re.sub(r"\s#.*", "", line).strip().removeprefix("$ ") for line in lines)
    return [shlex.split(line) for line in ours if line.startswith("trifuse ")]


@cache
def options(command: str) -> set[str]:
    """Every spelling of a command's options."""
    alone = typer.Typer()
    alone.command()(getattr(import_module(f"trifuse.cli.{command}"), command))
    found = typer.main.get_command(alone).params
    return {name for option in found for name in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_says_to_type_exists(page: Path) -> None:
    for words in commands(page):
        assert words[1] in COMMANDS, words
        offered = options(words[1])
        given = {re.sub(r"=.*", "", word) for word in words[2:] if re.match(r"--?[a-z]", word, re.IGNORECASE)}
        assert given <= offered | {"--help"}, f"{page.name}: {shlex.join(words)}"


def test_it_is_short_enough_to_read() -> None:
    assert len(TEXT.splitlines()) < 150


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", TEXT):
        assert (REPOSITORY / target).exists(), target


def test_its_table_is_what_the_results_say() -> None:
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "which_method.py", "--check"], check=True)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid, size = MR @ np.diag([0.6, 0.6, 0.6, 1]), (50, 53, 43)  # some metrics want 41 pixels and more
    for name in ("t1", "t2"):
        nifti(tmp_path / f"{name}.nii.gz", grid, head(grid, size))
    nifti(tmp_path / "pet.nii.gz", PET, head(PET, PET_SIZE, pet=True))
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(TEXT, "python")
    held: dict[str, object] = {}
    exec(code, held)
    assert (tmp_path / "fused.nii.gz").is_file()
    assert held["fused"].image.space == size  # type: ignore[attr-defined]
