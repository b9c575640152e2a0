"""Names that lead to code, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

from trifuse.core.errors import OptionError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from names to `"file:attribute"` below a package, in the order in which lists show them.

    Args:
        kind: what the names stand for, for messages.
        package: where the files lie, such as "trifuse.methods".
        homes: name -> "file:attribute".
    """

    def __init__(self, kind: str, package: str, homes: dict[str, str]) -> None:
        self.kind = kind
        self.package = package
        self.homes = homes

    def names(self) -> list[str]:
        """All names."""
        return list(self.homes)

    def get(self, name: str) -> T:
        """What a name stands for.

        Raises:
            OptionError: if it stands for nothing; the message suggests the nearest.
        """
        if name not in self.homes:
            from difflib import get_close_matches

            near = get_close_matches(name, self.homes, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.homes)}"
            raise OptionError(f"no {self.kind} is called {name!r}; {hint}")
        module, _, attribute = self.homes[name].partition(":")
        found: T = getattr(import_module(f"{self.package}.{module}"), attribute)
        return found


class CallablePackage(ModuleType):
    """A package that can also be called for the list of its cards: `trifuse.methods()`."""

    def __call__(self) -> list[Any]:
        return [self.get(name).card for name in self.names()]


def callable_package(module: str) -> None:
    """Makes a package with `names` and `get` callable."""
    sys.modules[module].__class__ = CallablePackage
