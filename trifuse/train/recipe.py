"""Recipes: everything that makes a trained network, in one YAML file.

Paths in a recipe may hold environment variables (`$TRIFUSE_SHARED/data`) and are otherwise relative to the recipe.
A configuration file of the original SR3 and TFS-Diff programs (JSON with `//` comments) is a recipe too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from trifuse.core.errors import InputError, shortened
from trifuse.core.files import FILE_NAME, read_text, read_yaml
from trifuse.diffusion.official import parse
from trifuse.train import overrides
from trifuse.train.data import official
from trifuse.train.objectives import REGISTRY, Model
from trifuse.train.objectives.base import Objective
from trifuse.train.settings.part import Expanded, Part
from trifuse.train.settings.run import Run

TAGGED = ("data", "model")
"""Sections of which there are several kinds; messages leave the kind out."""


class Recipe(Run):
    """A training run.

    Attributes:
        name: name of the weights it makes.
        model: the network and what it learns.
        start: weights of an earlier run or of this package to go on from, instead of random ones.
    """

    name: str = Field(pattern=FILE_NAME)
    model: Model
    start: Expanded | None = None


def load(path: Path) -> Recipe:
    """Reads a recipe of one stage, or an official configuration file.

    Raises:
        InputError: if it is missing, or a field is wrong; the message names the field.
    """
    return recipe_of(content_of(path), path)


def content_of(path: Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """What a file says, as fields of a recipe, with values changed (see `trifuse.train.overrides`).

    Raises:
        InputError: if it cannot be read.
        OptionError: if a change is not understood.
    """
    if path.suffix == ".json":
        text = read_text(path, "recipe")
        return overrides.apply(official.fields(parse(text, str(path)), path), changes)
    content = read_yaml(path, "recipe")
    if not isinstance(content, dict):
        raise InputError(f"{path}: a recipe is a mapping with name, data, model and schedule")
    return overrides.apply(content, changes)


def recipe_of(content: Mapping[str, Any], path: Path, where: str = "") -> Recipe:
    """The recipe of a file's content; its relative paths are read from the file's folder.

    Args:
        where: which part of the file it is, for messages.

    Raises:
        InputError: if a field is wrong; the message names the field.
    """
    try:
        return _beside(Recipe.model_validate(content), path.parent)
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for at, part in enumerate(first["loc"]) if not (at == 1 and first["loc"][0] in TAGGED)]
        field = ".".join(str(part) for part in place)
        message = f"{shortened(field)}: {shortened(first['msg'], 300)} (got {shortened(repr(first['input']))})"
        raise InputError(f"{path}{where}, field {message}") from None


def check_variables(recipe: Recipe) -> None:
    """Refuses to begin a run whose paths hold environment variables that are not set.

    Raises:
        InputError: naming the variable.
    """
    unset = re.search(r"\$(\w+|\{\w+\})", " ".join(_paths(recipe)))
    if unset is not None:
        raise InputError(
            f"{recipe.name}: a path uses the variable {unset[0]}, which is not set; set it or write the path out"
        )


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, Path):
        yield str(value)
    elif isinstance(value, Part):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item)


def objective_of(recipe: Recipe) -> Objective[Any]:
    """The objective that a recipe describes, with a new network.

    Raises:
        InputError: if it cannot take what the recipe says.
        WeightsError: if weights are needed that are not there.
    """
    return REGISTRY.get(recipe.model.task)(recipe.model, recipe)  # type: ignore[attr-defined]


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with relative paths read from its own folder."""

    def moved(part: Part) -> Part:
        changes: dict[str, Any] = {}
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Path):
                changes[name] = folder / value
            elif isinstance(value, Part) and (inside := moved(value)) != value:
                changes[name] = inside
            elif isinstance(value, tuple) and value and isinstance(value[0], Path):
                changes[name] = tuple(folder / each for each in value)
        return part.model_copy(update=changes)

    moved_recipe = moved(recipe)
    assert isinstance(moved_recipe, Recipe)
    return moved_recipe
