"""The recipes that come with the package, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from trifuse.core.errors import InputError
from trifuse.core.registry import hint

TRAINING = ("train", "ablation")
BENCHMARKS = ("bench",)
"""Folders of recipes of a kind."""


def shipped(folders: Sequence[str]) -> dict[str, Path]:
    """The recipes of some folders by name."""
    shelf = Path(str(files("trifuse"))) / "recipes"
    return {path.stem: path for folder in folders for path in sorted((shelf / folder).glob("*.yaml"))}


def recipe_path(named: str | Path, folders: Sequence[str]) -> Path:
    """The recipe that a user means: a file, or one of the package's by name (`cddfuse`).

    Raises:
        InputError: if it is neither; the message suggests the nearest.
    """
    path, known = Path(named), shipped(folders)
    if path.exists() or str(named) not in known:
        if path.suffix or path.exists():
            return path
        raise InputError(f"{named}: neither a file nor a recipe of the package; {hint(str(named), known)}")
    return known[str(named)]
