"""Methods and settings as forms: cards, and JSON schemas that pydantic makes of the very fields that are set."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

SHOWN = ("scale", "register", "samples", "seed", "functional", "colour", "opacity", "upsample", "upsampler", "axis")
"""Settings of a run that the page offers; sources, windows and options have places of their own there."""


def catalogue() -> dict[str, Any]:
    """All methods with their options, and the settings of a run; loads every method, so it is made in a worker."""
    from trifuse import methods
    from trifuse.methods import DEFAULT

    listed = [_method(name, cls) for name, cls in methods.REGISTRY.working()]
    return {"default": DEFAULT, "methods": listed, "settings": _settings(), "metrics": _presets()}


def _method(name: str, cls: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from trifuse import methods
    from trifuse.methods.base import options_of

    schema = TypeAdapter(cls).json_schema()
    help_of = {option.name: option.help for option in options_of(cls)}
    options = [
        _field(option.name, schema, help_of[option.name], option.default)
        for option in options_of(cls)
        if option.name in schema.get("properties", {})
    ]
    card = cls.card.model_dump(mode="json")
    lacking = _lacking(cls.card.weights)
    return {**card, "origin": methods.origin(name), "options": options, "lacking": lacking}


def _field(name: str, schema: dict[str, Any], help: str, default: Any) -> dict[str, Any]:
    """One field of a form: its own schema, with references resolved."""
    own = dict(schema["properties"][name])
    definitions = schema.get("$defs", {})
    for key in ("$ref",):
        if key in own:
            own |= definitions[own.pop(key).rsplit("/", 1)[1]]
    try:
        json.dumps(default)
    except TypeError:
        default = None if default is dataclasses.MISSING else str(default)
    return {"name": name, "help": help, "schema": own, "default": default}


def _settings() -> list[dict[str, Any]]:
    from pydantic import TypeAdapter

    from trifuse.fusion.settings import SETTINGS, TYPES, Run

    found = []
    for name in SHOWN:
        known = SETTINGS[name]
        schema = TypeAdapter(TYPES[name]).json_schema()
        if known.choices is not None:
            schema["enum"] = list(known.choices)
        bounds = {"minimum": known.at_least, "maximum": known.at_most}
        schema |= {key: value for key, value in bounds.items() if value is not None}
        found.append({"name": name, "help": known.help, "schema": schema, "default": getattr(Run(), name)})
    return found


def _presets() -> list[str]:
    from trifuse.metrics.presets import PRESETS

    return list(PRESETS)


def _lacking(entry: str | None) -> str:
    """Why a method's weights are not at hand; empty if they are."""
    if entry is None:
        return ""
    from trifuse.core.errors import TrifuseError
    from trifuse.weights import store

    try:
        store.path(entry)
    except TrifuseError as error:
        return str(error).splitlines()[0]
    return ""
