"""Recipes of several stages: each goes on from the weights of the one before, and trunks may be put together.

A recipe may have a list `stages`; each entry holds what it changes of the recipe's own sections (of `data`, `model`,
`loss` and `schedule` the named fields alone; `seed` as it is). Under `join`, names lead to further such parts, each
with stages of its own if it has several, which all go on from the last common stage; what they make is put together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trifuse.core.errors import InputError
from trifuse.core.files import FILE_NAME
from trifuse.train.recipe import Recipe, content_of, recipe_of

SECTIONS = ("data", "model", "loss", "schedule")
KINDS = ("kind", "task")


class Stage(NamedTuple):
    """One training run of a recipe.

    Attributes:
        folder: below that of the whole, "" where the recipe has one stage alone.
        recipe: what is trained.
    """

    folder: str
    recipe: Recipe


class Plan(NamedTuple):
    """What a recipe comes to.

    Attributes:
        name: of the weights.
        stages: one after the other.
        join: further stages by name, that go on from the last of `stages`, and whose weights are put together.
    """

    name: str
    stages: tuple[Stage, ...]
    join: dict[str, tuple[Stage, ...]]

    def all(self) -> list[Stage]:
        """Every stage, in the order in which they run."""
        return [*self.stages, *(stage for stages in self.join.values() for stage in stages)]


def load(path: Path, changes: Sequence[str] = ()) -> Plan:
    """Reads a recipe with its stages.

    Args:
        path: a YAML recipe, or an official JSON configuration.
        changes: `path=value` each; see `trifuse.train.overrides`.

    Raises:
        InputError: if it is missing, or a field is wrong; the message names the field and the stage.
        OptionError: if a change is not understood.
    """
    content = content_of(path, changes)
    stages, join = content.pop("stages", None), content.pop("join", None)
    start = content.pop("start", None)
    common = _parts(content, stages, path, "stages")
    common[0] = {"start": start, **common[0]}
    plan = tuple(_stages(common, path, "", staged=len(common) > 1 or join is not None))
    if join is None:
        return Plan(plan[0].recipe.name, plan, {})
    if not isinstance(join, dict) or len(join) < 2:
        raise InputError(f"{path}, field join: names of two or more parts with what they change are wanted")
    joined = {}
    for name, part in join.items():
        if re.match(FILE_NAME, str(name)) is None:
            raise InputError(
                f"{path}, field join: {str(name)[:100]!r} is no name for a folder; take letters and digits"
            )
        merged = _merged(content, _mapping(part, path, f"join.{name}"))
        parts = _parts(merged, merged.pop("stages", None), path, f"join.{name}.stages")
        joined[str(name)] = tuple(_stages(parts, path, f"{name}-"))
    return Plan(plan[0].recipe.name, plan, joined)


def _stages(parts: Sequence[dict[str, Any]], path: Path, prefix: str, staged: bool = True) -> list[Stage]:
    found = []
    for number, part in enumerate(parts, start=1):
        folder = f"{prefix}{number}" if staged else ""
        if part.get("start") is not None and (number > 1 or prefix):
            raise InputError(f"{path}, stage {folder}: goes on from the stage before; only the first may have start")
        found.append(Stage(folder, recipe_of(part, path, f", stage {folder}" if folder else "")))
    return found


def _parts(content: dict[str, Any], stages: Any, path: Path, field: str) -> list[dict[str, Any]]:
    """The content of each stage, what all have in common included."""
    if stages is None:
        return [content]
    if not isinstance(stages, list) or not stages:
        raise InputError(f"{path}, field {field}: a list of what each stage changes is wanted")
    return [_merged(content, _mapping(stage, path, f"{field}.{number}")) for number, stage in enumerate(stages)]


def _mapping(part: Any, path: Path, field: str) -> dict[str, Any]:
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise InputError(f"{path}, field {field}: sections of a recipe with what they change are wanted")
    return part


def _merged(common: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """The common content with what a part changes; of another kind, a section is replaced as a whole."""
    merged = dict(common)
    for name, value in part.items():
        before = merged.get(name)
        if name in SECTIONS and isinstance(before, dict) and isinstance(value, dict) and _alike(before, value):
            merged[name] = {**before, **value}
        else:
            merged[name] = value
    return merged


def _alike(before: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return all(value.get(kind, before.get(kind)) == before.get(kind) for kind in KINDS)
