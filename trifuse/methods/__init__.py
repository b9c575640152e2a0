"""The methods, one file each. A new method is a new file and one line here.

Files are imported when a method is asked for, so that listing the names costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from trifuse.errors import OptionError

if TYPE_CHECKING:
    from trifuse.methods.base import Method

REGISTRY: dict[str, str] = {
    "bitonicx": "bitonicx:BitonicX",
    "laplacian": "laplacian:Laplacian",
    "mean": "mean:Mean",
    "max": "max:Max",
    "tfs-diff": "tfs_diff:TFSDiff",
}
"""Name on the card -> file and class, in the order in which lists show them."""


def names() -> list[str]:
    """Names of all methods."""
    return list(REGISTRY)


def get(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        OptionError: if there is no method of that name; the message suggests the nearest.
    """
    if name not in REGISTRY:
        from difflib import get_close_matches

        near = get_close_matches(name, REGISTRY, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(REGISTRY)}"
        raise OptionError(f"no method is called {name!r}; {hint}")
    module, _, cls = REGISTRY[name].partition(":")
    found: type[Method] = getattr(import_module(f"trifuse.methods.{module}"), cls)
    return found
