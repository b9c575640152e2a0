"""Imports go one way: from the command line down to the core, never up, never in a circle; and it starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "trifuse"

FLOORS = [
    {"core"},
    {"weights", "samples", "engines"},
    {"io", "align", "metrics"},
    {"filters", "nets", "diffusion", "upsamplers"},
    {"methods"},
    {"report"},
    {"fusion"},
    {"cohort", "bench", "prepare", "train"},
    {"view"},
    {"cli"},
    {"__main__.py"},
]
"""Packages from the ground up; a package may use its own floor and those below."""

FRONT_DOOR = PACKAGE / "__init__.py"
"""It loads every package lazily and is used by none."""

HEAVY = ["starlette", "uvicorn"]
HEAVY += ["torch", "numba", "matplotlib", "SimpleITK", "scipy", "nibabel", "pydicom", "highdicom", "pandas", "pydantic"]


def files() -> list[Path]:
    """Every Python file of the package but its front door."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != FRONT_DOOR]


def floor(path: Path) -> int:
    """Height of the package that a file belongs to."""
    name = path.relative_to(PACKAGE).parts[0]
    found = [height for height, packages in enumerate(FLOORS) if name in packages]
    assert found, f"trifuse/{name} stands on no floor: add it to FLOORS"
    return found[0]


def module_file(dotted: str) -> Path | None:
    """File of a module `trifuse.x.y`, None if there is none of that name."""
    path = PACKAGE.joinpath(*dotted.split(".")[1:])
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def imports(path: Path) -> set[Path]:
    """Files of the package that a file imports, anywhere in it, other than for types alone.

    A package with a `__getattr__` loads what it imports for types when it is used: that counts.
    """
    tree = ast.parse(path.read_text())
    lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    for node in ast.walk(tree) if not lazy else ():
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[Path | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {module_file(alias.name) for alias in node.names if alias.name.startswith("trifuse")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "trifuse":
            for alias in node.names:
                found.add(module_file(f"{node.module}.{alias.name}") or module_file(str(node.module)))
    return {file for file in found if file not in (None, path)}  # type: ignore[misc]


def circles() -> list[list[str]]:
    """Groups of files that import each other, directly or round corners (Tarjan's strongly connected components)."""
    graph = {path: imports(path) for path in files()}
    order: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found: list[list[str]] = []

    def visit(path: Path) -> None:
        order[path] = low[path] = len(order)
        stack.append(path)
        for there in graph.get(path, set()):
            if there not in order:
                visit(there)
                low[path] = min(low[path], low[there])
            elif there in stack:
                low[path] = min(low[path], order[there])
        if low[path] == order[path]:
            group = [stack.pop()]
            while group[-1] != path:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(str(p.relative_to(PACKAGE)) for p in group))

    for path in graph:
        if path not in order:
            visit(path)
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_never_go_up(path: Path) -> None:
    for there in imports(path):
        assert there != FRONT_DOOR, f"{path.relative_to(PACKAGE)} must import from a package, not from the front door"
        up = floor(there) > floor(path)
        assert not up, f"{path.relative_to(PACKAGE)} must not import {there.relative_to(PACKAGE)} above it"


def test_metrics_need_only_the_core() -> None:
    for path in PACKAGE.glob("metrics/**/*.py"):
        assert {there.relative_to(PACKAGE).parts[0] for there in imports(path)} <= {"core", "metrics", "weights"}


def test_imports_never_go_round() -> None:
    assert circles() == []


def test_the_law_names_only_what_exists() -> None:
    named = set().union(*FLOORS)
    assert named == {path.relative_to(PACKAGE).parts[0] for path in files()}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from trifuse.cli.app import app\n"
        "sys.argv = ['trifuse', '--help']\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        f"print('loaded:', *(m for m in {HEAVY} if m in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip().splitlines()[-1].strip() == "loaded:"
    assert "fuse" in out
