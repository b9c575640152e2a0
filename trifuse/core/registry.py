"""Names that lead to code, imported when it is asked for: ours, and those of packages that extend us.

Another package adds a name by an entry point in its `pyproject.toml`, for example

    [project.entry-points."trifuse.methods"]
    my-method = "my_package.my_method:MyMethod"
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from trifuse.core.errors import OptionError, PluginError, PluginWarning, brief

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

OURS = "trifuse"
"""Where a name comes from that no other package adds."""


class Registry(Generic[T]):
    """A table from names to `"file:attribute"` below a package, in the order in which lists show them; plugins follow.

    Args:
        kind: what the names stand for, for messages.
        package: where the files lie, such as "trifuse.methods".
        homes: name -> "file:attribute".
        plugins: group of the entry points by which other packages add names, such as "trifuse.methods"; "" for none.
        fault: "file:function" below the package that is given what a plugin's name leads to, and the name; it returns
            what is wrong with it, in words, or None.
    """

    def __init__(self, kind: str, package: str, homes: dict[str, str], *, plugins: str = "", fault: str = "") -> None:
        self.kind = kind
        self.package = package
        self.homes = homes
        self.group = plugins
        self.fault = fault

    @cached_property
    def plugins(self) -> dict[str, EntryPoint]:
        """The names that other packages add, in alphabetical order; one that is taken is left out, with a warning."""
        from importlib.metadata import entry_points  # takes a third of the time of `trifuse --help`

        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=_order) if self.group else ():
            if point.name in self.homes or point.name in found:
                holder = _package(found[point.name]) if point.name in found else OURS
                text = f"{self.kind} {point.name!r} of {_package(point)} is left out: {holder} has one of that name"
                warnings.warn(text, PluginWarning, stacklevel=3)
            else:
                found[point.name] = point
        return found

    def names(self) -> list[str]:
        """All names: ours, then those of plugins."""
        return [*self.homes, *self.plugins]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self.homes or name in self.plugins)

    def origin(self, name: str) -> str:
        """The package that a name comes from, with its version unless it is ours: "trifuse", "my-package 1.0"."""
        return _package(self.plugins[name]) if name not in self.homes and name in self.plugins else OURS

    def get(self, name: str) -> T:
        """What a name stands for.

        Raises:
            OptionError: if it stands for nothing; the message suggests the nearest.
            PluginError: if another package adds it and cannot deliver it.
        """
        if name in self.homes:
            ours: T = self._at(self.homes[name])
            return ours
        if name in self.plugins:
            return self._plugin(name, self.plugins[name])
        raise OptionError(f"no {self.kind} is called {name!r}; {hint(name, self.names())}")

    def working(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, T]]:
        """Names, or all, with what they stand for; a plugin that cannot be loaded is left out, with a warning."""
        for name in self.names() if names is None else names:
            try:
                yield name, self.get(name)
            except PluginError as error:
                warnings.warn(str(error), PluginWarning, stacklevel=3)

    def _at(self, home: str) -> Any:
        module, _, attribute = home.partition(":")
        return getattr(import_module(f"{self.package}.{module}"), attribute)

    def _plugin(self, name: str, point: EntryPoint) -> T:
        try:
            found: T = point.load()
            wrong = self._at(self.fault)(found, name) if self.fault else None
        except Exception as error:  # a plugin may raise anything, and must stop nobody else
            wrong = f"cannot be loaded ({type(error).__name__}: {brief(error)})"
        if wrong is not None:
            raise PluginError(f"{self.kind} {name!r} of {_package(point)} {wrong}; mend, update or uninstall it")
        return found


def hint(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """What to say of a name that does not exist: the nearest that does; else all, or `otherwise`."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(known)}" if otherwise is None else otherwise


def _order(point: EntryPoint) -> tuple[str, str]:
    return point.name, _package(point)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


class CallablePackage(ModuleType):
    """A package with `REGISTRY` and `names` that can be called for the list of its cards: `trifuse.methods()`."""

    REGISTRY: Registry[Any]
    names: Callable[[], list[str]]

    def __call__(self) -> list[Any]:
        return [found.card for _, found in self.REGISTRY.working(self.names())]


def callable_package(module: str) -> None:
    """Lets a package with `REGISTRY` and `names` be called for the list of its cards."""
    sys.modules[module].__class__ = CallablePackage
