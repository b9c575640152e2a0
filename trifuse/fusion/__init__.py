"""Fusing: the whole route of an image, the settings of a run, what comes out, and several methods side by side.

The names below are loaded when they are first used, so that the command line can ask for the settings alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifuse.fusion.fused import Fused
    from trifuse.fusion.route import enlarged, fuse, nested
    from trifuse.fusion.settings import Run

_HOMES = {"Fused": "fused", "Run": "settings", "enlarged": "route", "fuse": "route", "nested": "route"}

__all__ = ["Fused", "Run", "enlarged", "fuse", "nested"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trifuse.fusion' has no attribute {name!r}")
    return getattr(import_module(f"trifuse.fusion.{_HOMES[name]}"), name)
