"""Imports go one way: from the command line down to the image, never up; and the command line starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "trifuse"

FLOORS = [
    {"errors", "cores", "memory", "progress", "random", "registry", "image", "__init__"},
    {"colour", "resize", "io", "metrics", "weights", "samples", "tables"},
    {"geometry"},
    {"itk", "similarity", "deformation"},
    {"register", "filters", "diffusion", "nets"},
    {"methods"},
    {"slicing"},
    {"adaptation"},
    {"fusion"},
    {"evaluation"},
    {"report", "bench", "prepare", "train", "cohort", "comparison"},
    {"cli", "web"},
]
"""Rooms from the ground up; a room may use its own floor and those below."""

ALLOWED = {("image", "io"), ("geometry", "register")}
"""`Image.of` is the constructor from paths and foreign objects, and `align` offers registration: each hands over when
it is called, so that neither loads what it does not need."""

HEAVY = ["torch", "numba", "matplotlib", "SimpleITK", "scipy", "nibabel", "pydicom", "highdicom", "pandas", "pydantic"]


def room(module: str) -> str:
    """The room a module `trifuse.x.y` lives in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor(name: str) -> int:
    """Height of a room."""
    found = [height for height, rooms in enumerate(FLOORS) if name in rooms]
    assert found, f"trifuse/{name} stands on no floor: add it to FLOORS"
    return found[0]


def imports(path: Path) -> set[str]:
    """Rooms that a file imports, anywhere in it, other than for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    rooms = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            rooms |= {room(alias.name) for alias in node.names if alias.name.startswith("trifuse")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trifuse"):
            if node.module == "trifuse":
                rooms |= {alias.name for alias in node.names if alias.name != "__version__"}
            else:
                rooms.add(room(str(node.module)))
    return rooms


def files() -> list[Path]:
    """Every Python file of the package but its front door, which loads its rooms lazily."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_never_go_up(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for there in imports(path):
        allowed = floor(there) <= floor(here) or (here, there) in ALLOWED
        assert allowed, f"{path.relative_to(PACKAGE)} ({here}) must not import {there}, which stands above it"


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
