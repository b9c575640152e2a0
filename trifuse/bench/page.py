"""The HTML page of a benchmark: tables, plots, failures, and the pictures of every case side by side."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd

from trifuse.bench.recipe import Recipe
from trifuse.bench.run import picture_path
from trifuse.bench.summary import Summary, direction
from trifuse.bench.tables import ARROWS, digits, places


def write(recipe: Recipe, table: pd.DataFrame, summaries: list[Summary], plots: list[Path], folder: Path) -> str:
    """The page as text; pictures and plots are linked relative to `folder`."""
    import jinja2

    template = files("trifuse.bench").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        recipe=recipe,
        tables=[_table(summary) for summary in summaries],
        plots=[path.relative_to(folder).as_posix() for path in plots],
        failures=_failures(table[table["error"] != ""]),
        cases=_cases(recipe, table, folder),
        version=", ".join(sorted(set(table["version"]))),
    )


def _table(summary: Summary) -> dict[str, object]:
    columns = list(summary.mean.columns)
    ranked = [metric for metric in columns if metric != "seconds"]
    rows = []
    for method in summary.mean.index:
        cells = []
        for metric in columns:
            mean, decimals = summary.mean.loc[method, metric], digits(summary.mean[metric])
            place = places(summary.mean, metric)[method]
            text = "–" if pd.isna(mean) else f"{mean:.{decimals}f}"
            cells.append({"text": text, "place": {1: "best", 2: "second"}.get(place, "")})
        rows.append({"method": method, "cells": cells, "rank": f"{summary.ranks.loc[method, ranked].mean():.2f}"})
    return {
        "scale": summary.scale,
        "columns": [f"{metric} {ARROWS[direction(metric)]}" for metric in columns],
        "rows": rows,
        "cases": int(summary.cases.max()),
        "patients": summary.count,
    }


def _failures(failed: pd.DataFrame) -> list[dict[str, object]]:
    """Each failure of a method once, with its number of cases and the first of them."""
    found = []
    for _, same in failed.groupby(["method", "error"], sort=False):
        first = same.iloc[0]
        found.append({"method": first["method"], "error": first["error"], "count": len(same), "case": first["case"]})
    return found


def _cases(recipe: Recipe, table: pd.DataFrame, folder: Path) -> list[dict[str, object]]:
    numbers = range(1, 9)
    labels = [*(f"source {n}" for n in numbers), "truth", *(entry.label for entry in recipe.methods)]
    shown = []
    for case, scale in table[["case", "scale"]].drop_duplicates().itertuples(index=False):
        pictures = [(label, picture_path(folder, label, case, scale)) for label in labels]
        present = [{"label": a, "path": b.relative_to(folder).as_posix()} for a, b in pictures if b.is_file()]
        shown.append({"case": case, "scale": scale, "pictures": present})
    return shown
