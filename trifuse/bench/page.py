"""The HTML page of a benchmark: tables, plots, failures, and the pictures of every case side by side."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd

from trifuse.bench.calibration import SHOWN, Reliability
from trifuse.bench.recipe import Recipe
from trifuse.bench.run import picture_path
from trifuse.bench.summary import Summary, direction, heading, left_out, mean_ranks, notes, readings
from trifuse.bench.tables import ARROWS, calibration_cells, cell, places
from trifuse.report.labels import source_labels


def write(
    recipe: Recipe,
    table: pd.DataFrame,
    summaries: list[Summary],
    reliabilities: list[Reliability],
    plots: list[Path],
    folder: Path,
) -> str:
    """The page as text; pictures and plots are linked relative to `folder`."""
    import jinja2

    template = files("trifuse.bench").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        recipe=recipe,
        tables=[one for summary in summaries for one in _tables(summary)],
        calibrations=[_calibration(each) for each in reliabilities],
        plots=[path.relative_to(folder).as_posix() for path in plots],
        failures=_failures(table[table["error"] != ""]),
        left_out=left_out(table.to_dict("records")),
        notes=notes(table.to_dict("records")),
        cases=_cases(recipe, table, folder),
        version=", ".join(sorted(set(table["version"]))),
    )


def _tables(summary: Summary) -> list[dict[str, object]]:
    """One table for each reading of the metrics."""
    pattern = ("{}", "{}", "{}")
    found = []
    for title, columns in readings(list(summary.mean.columns)).items():
        ranks = mean_ranks(summary.ranks, columns)
        place = {metric: places(summary.mean, metric) for metric in columns}
        rows = []
        for method in summary.mean.index:
            cells = []
            for metric in columns:
                over_cases, over_patients = (cell(summary, method, metric, pattern, o) for o in ("cases", "patients"))
                kind = {1: "best", 2: "second"}.get(place[metric][method], "")
                hint = f"over cases {over_cases}; over patients {over_patients}"
                cells.append({"text": over_cases.split(" ")[0], "place": kind, "hint": hint})
            best = "best" if ranks[method] == ranks.min() else ""
            rows.append({"method": method, "cells": cells, "rank": f"{ranks[method]:.2f}", "best": best})
        found.append(
            {
                "title": ", ".join(part for part in (f"x{summary.scale}", title) if part),
                "columns": [f"{heading(metric)} {ARROWS[direction(metric)]}" for metric in columns],
                "rows": rows,
                "cases": int(summary.cases.max()),
                "patients": summary.count,
            }
        )
    return found


def _calibration(reliability: Reliability) -> dict[str, object]:
    return {
        "scale": reliability.scale,
        "columns": list(SHOWN.values()),
        "rows": [{"method": m, "cells": calibration_cells(reliability, m)} for m in reliability.mean.index],
    }


def _failures(failed: pd.DataFrame) -> list[dict[str, object]]:
    """Each failure of a method once, with its number of cases and the first of them."""
    found = []
    for _, same in failed.groupby(["method", "error"], sort=False):
        first = same.iloc[0]
        found.append({"method": first["method"], "error": first["error"], "count": len(same), "case": first["case"]})
    return found


def _cases(recipe: Recipe, table: pd.DataFrame, folder: Path) -> list[dict[str, object]]:
    shown = []
    for case, scale in table[["case", "scale"]].drop_duplicates().itertuples(index=False):
        told = table.loc[(table["case"] == case) & (table["sources"] != ""), "sources"]
        kinds = str(told.iloc[0]).split("/") if len(told) else ["OTHER"] * 8
        files = {f"source {n}": label for n, label in enumerate(source_labels(kinds), start=1)}
        files |= {label: label for label in ("truth", *(entry.label for entry in recipe.methods))}
        pictures = [(label, picture_path(folder, file, case, scale)) for file, label in files.items()]
        present = [{"label": a, "path": b.relative_to(folder).as_posix()} for a, b in pictures if b.is_file()]
        shown.append({"case": case, "scale": scale, "pictures": present})
    return shown
