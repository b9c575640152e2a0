"""Grids of rows in a recipe: an entry with lists stands for each method with each upsampling."""

from __future__ import annotations

from itertools import product
from typing import Any

LISTS = ("method", "upsampler", "upsample")
"""Fields of an entry that may hold a list, in the order in which the rows come."""


def rows(entry: Any) -> list[Any]:
    """The single rows of an entry: the product of its lists, or the entry itself.

    Each is labelled by its method (or by the entry's label, where there is one method) and by what varies:

        {label: CTSR, method: ctsr, upsampler: [bicubic, sr3], upsample: [before, after]}

    gives "CTSR (bicubic before)", "CTSR (bicubic after)", "CTSR (sr3 before)" and "CTSR (sr3 after)".
    """
    if not isinstance(entry, dict):
        return [entry]
    lists = {field: entry[field] for field in LISTS if isinstance(entry.get(field), list)}
    found = []
    for chosen in product(*lists.values()):
        row = entry | dict(zip(lists, chosen, strict=True))
        if lists:
            row["label"] = _label(entry, row, [field for field in lists if field != "method"])
        found.append(row)
    return found


def _label(entry: dict[str, Any], row: dict[str, Any], varied: list[str]) -> str:
    name = row.get("method") if "label" not in entry or isinstance(entry.get("method"), list) else entry["label"]
    settings = " ".join(str(row[field]) for field in varied)
    return f"{name} ({settings})" if settings else str(name)
