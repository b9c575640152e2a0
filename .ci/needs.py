"""Prints what trifuse needs at run time but PyTorch, one requirement a word."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
print(*(line for line in project["dependencies"] if not line.startswith("torch")))
