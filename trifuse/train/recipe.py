"""Recipes: everything that makes a trained network, in one YAML file.

Paths in a recipe may hold environment variables (`$TRIFUSE_SHARED/data`) and are otherwise relative to the recipe.
A configuration file of the original SR3 and TFS-Diff programs (JSON with `//` comments) is a recipe too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trifuse.core.errors import InputError
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

    name: str
    model: Model
    start: Expanded | None = None


def load(path: Path) -> Recipe:
    """Reads a recipe, or an official configuration file.

    Raises:
        InputError: if it is missing, or a field is wrong; the message names the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the recipe cannot be read ({error.strerror})") from None
    try:
        if path.suffix == ".json":
            return Recipe.model_validate(official.fields(official.parse(text, str(path)), path))
        content = yaml.safe_load(text)
        if not isinstance(content, dict):
            raise InputError(f"{path}: a recipe is a mapping with name, data, model and schedule")
        return _beside(Recipe.model_validate(content), path.parent)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for at, part in enumerate(first["loc"]) if not (at == 1 and first["loc"][0] in TAGGED)]
        where = ".".join(str(part) for part in place)
        raise InputError(f"{path}, field {where}: {first['msg']} (got {first['input']!r})") from None


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
