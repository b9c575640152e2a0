"""Runs `benchmarks.<name>.main()`; without a name, lists what there is."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import benchmarks


def names() -> list[str]:
    """Names of all benchmarks: the modules beside this one."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))


def main(arguments: list[str]) -> int:
    """Exit code 0, or 2 where there is no such benchmark."""
    if not arguments:
        print("\n".join(names()))
        return 0
    if arguments[0] not in names():
        print(f"benchmarks: no benchmark is called {arguments[0]!r}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    sys.argv = [f"benchmarks {arguments[0]}", *arguments[1:]]
    import_module(f"benchmarks.{arguments[0]}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
