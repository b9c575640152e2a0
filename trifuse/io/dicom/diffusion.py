"""b-values where makers have kept them before the standard had a place: without them they look like time frames.

Sources: the makers' conformance statements: Siemens (0019,xx0C), GE (0043,xx39), whose first value may carry an offset,
Philips (2001,xx03).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

_PLACES = (
    (0x0019, 0x0C, "SIEMENS MR HEADER"),
    (0x0043, 0x39, "GEMS_PARM_01"),
    (0x2001, 0x03, "Philips Imaging DD 001"),
)

_GE_OFFSET = 100_000
"""GE adds a multiple of it."""

_STRONGEST = 50_000.0
"""s/mm2; no gradient makes more."""


def b_value(dataset: Dataset) -> float | None:
    """The b-value in s/mm2 that an MR object keeps in a private group, None where it keeps none."""
    if dataset.get("Modality") != "MR":
        return None
    for group, element, creator in _PLACES:
        try:
            value = dataset.private_block(group, creator)[element].value
        except KeyError:
            continue
        found = _number(value)
        if found is not None and group == 0x0043:
            found %= _GE_OFFSET
        if found is not None and 0 <= found <= _STRONGEST:
            return found
    return None


def _number(value: Any) -> float | None:
    """The first number of a value, or of the text that an unknown one is."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0").split("\\")
    try:
        found = float(np.atleast_1d(value)[0])
    except (TypeError, ValueError, IndexError):
        return None
    return found if np.isfinite(found) else None
