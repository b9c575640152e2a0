"""Checkpoints of a training run: what a run needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trifuse.core.errors import InputError, brief
from trifuse.core.files import publish
from trifuse.train.settings.part import Part

KEYS = frozenset({"recipe", "step", "validated", "measured", "sums", "net", "ema", "opt"})


class State(NamedTuple):
    """A run between two steps.

    Attributes:
        recipe: `record` of its recipe.
        step: steps done.
        validated: the step after which it was validated last.
        measured: what that gave.
        sums: loss terms since the last row of the log.
        net, ema, opt: the network, its moving average, the optimiser.
    """

    recipe: str
    step: int
    validated: int
    measured: dict[str, float]
    sums: dict[str, list[float]]
    net: Mapping[str, Tensor]
    ema: dict[str, Tensor]
    opt: dict[str, Any]


def save(path: Path, state: State) -> None:
    """Writes a checkpoint whole or not at all.

    Raises:
        InputError: if the place cannot be written to.
    """
    publish(path, lambda draft: torch.save(state._asdict(), draft), None)


def read(path: Path, device: torch.device | str = "cpu") -> State:
    """Reads a checkpoint.

    Raises:
        InputError: if it is damaged, or none of a training run.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # damaged files raise whatever their parser stumbles over
        raise InputError(
            f"{path}: the checkpoint cannot be read ({brief(error)}); it is damaged: start anew in another folder"
        ) from None
    if not isinstance(content, dict) or content.keys() != KEYS:
        raise InputError(
            f"{path}: is no checkpoint of this version's training runs; start anew in another folder, with its "
            "weights as `start` of the recipe"
        )
    return State(**content)


def record(recipe: Part) -> str:
    """A recipe as text to compare with a later one. Of paths it keeps the names: data may move between two runs."""
    return json.dumps(_plain(recipe), sort_keys=True)


def check_same(saved: str, recipe: str, path: Path) -> None:
    """Refuses to go on by another recipe.

    Raises:
        InputError: naming the first field that differs.
    """
    if saved == recipe:
        return
    before, now = _fields(json.loads(saved)), _fields(json.loads(recipe))
    field = next((name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)), "?")
    raise InputError(
        f"{path}: the run was begun by another recipe (field {field}: {before.get(field)} then, {now.get(field)} now); "
        "go on with the old one, or start anew in another folder"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Path) else value


def _fields(content: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, names joined by dots."""
    if not isinstance(content, dict) or not content:
        return {name: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _fields(value, f"{name}.{key}" if name else key)
    return found
