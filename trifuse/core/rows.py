"""Lists that people keep of their cases: CSV tables and YAML files, as rows of text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from trifuse.core.errors import InputError, brief, one_line
from trifuse.core.files import read_text, read_yaml

NAMES = ("case", "study")
"""Columns that name a case."""


def rows_of(path: Path, key: str, example: str) -> list[dict[str, str]]:
    """The rows of a list: column or field -> text, the name of the case under "case".

    A CSV table has a column `case` (or `study`); a YAML file a mapping `{key}: {{NAME: {{...}}}}`.

    Args:
        path: file ending in .csv, .yaml or .yml.
        key: under which a YAML file has its cases.
        example: what a table looks like, for messages.

    Raises:
        InputError: if it cannot be read, or has no such column or mapping.
    """
    yaml = path.suffix.lower() in (".yaml", ".yml")
    return _yaml_rows(path, key) if yaml else _csv_rows(path, example)


def _csv_rows(path: Path, example: str) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(StringIO(read_text(path, "list"), newline=""))
        rows = [{name: value or "" for name, value in row.items() if name} for row in reader]
        columns = list(reader.fieldnames or [])
    except csv.Error as error:
        raise InputError(f"{one_line(path)}: the list cannot be read ({brief(error)})") from None
    named = next((name for name in NAMES if name in columns), None)
    if named is None:
        raise InputError(f"{one_line(path)}: has no column study (or case); it has {_listed(columns)}; give {example}")
    return [{"case": row.pop(named), **row} for row in rows]


def _yaml_rows(path: Path, key: str) -> list[dict[str, str]]:
    content = read_yaml(path, "list")
    cases = content.get(key) if isinstance(content, dict) else None
    if not isinstance(cases, dict) or not all(isinstance(row, dict) for row in cases.values()):
        raise InputError(f"{one_line(path)}: give {key} as a mapping: {key}: {{p01: {{t1: PATH, pet: PATH}}}}")
    return [{"case": str(name), **{str(k): str(v) for k, v in row.items()}} for name, row in cases.items()]


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(one_line(column) for column in columns[:8]) or "no columns"
