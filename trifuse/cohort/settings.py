"""Settings of a single case, as a row of a list gives them: in text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trifuse.core.errors import OptionError
from trifuse.fusion.settings import SETTINGS, TYPES


def from_text(given: Mapping[str, str]) -> dict[str, Any]:
    """Values of fields of `Run` by name; several texts of one field (`options`) are parted by semicolons.

    Raises:
        OptionError: if a text is no such value.
    """
    from pydantic import TypeAdapter, ValidationError

    found: dict[str, Any] = {}
    for name, text in given.items():
        known = SETTINGS[name]
        if known.parse is not None:
            found[name] = known.parse([part for part in text.split(";") if part.strip()])
            continue
        try:
            value = TypeAdapter(TYPES[name]).validate_python(text)
        except ValidationError as error:
            raise OptionError(f"{name} {text!r} is no value: {error.errors()[0]['msg']}") from None
        found[name] = value - 1 if known.from_one else value
    return found
