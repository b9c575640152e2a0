"""Changes to a recipe from the command line: `--set schedule.steps=200`, `--set stages.0.model.width=8`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from trifuse.core.errors import OptionError


def apply(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A recipe's content with values set.

    Args:
        content: as read from YAML.
        changes: `path=value`; the path's parts are names, numbers of list entries from 0, or `*` for all entries, and
            are joined by dots; the value is YAML.

    Raises:
        OptionError: if one is not of this form, or leads nowhere.
    """
    for change in changes:
        path, equals, text = change.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            raise OptionError(f"--set {_short(change)} is not PATH=VALUE; for example --set schedule.steps=200")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise OptionError(f"--set {_short(change)}: the value is no YAML") from None
        content = _changed(content, parts, value, change)
    return content


def _short(change: str) -> str:
    return repr(change if len(change) <= 100 else change[:97] + "...")


def _changed(content: Any, parts: list[str], value: Any, change: str) -> Any:
    if not parts:
        return value
    name, rest = parts[0], parts[1:]
    if isinstance(content, list):
        chosen = range(len(content)) if name == "*" else [int(name)] if name.isdecimal() else []
        if not chosen or max(chosen) >= len(content):
            raise OptionError(
                f"--set {_short(change)}: there is no entry {name}; there are {len(content)}, counted from 0"
            )
        return [_changed(item, rest, value, change) if at in chosen else item for at, item in enumerate(content)]
    if content is None:
        if name == "*":
            return None
        content = {}
    if not isinstance(content, dict):
        raise OptionError(f"--set {_short(change)}: {name} is inside of something that has no parts")
    if name == "*":
        return {key: _changed(item, rest, value, change) for key, item in content.items()}
    key = next((key for key in content if str(key) == name), name)
    return {**content, key: _changed(content.get(key), rest, value, change)}
