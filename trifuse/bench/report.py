"""Everything a benchmark leaves behind, written from its tidy table."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from trifuse.bench import calibration, page, plots, tables
from trifuse.bench.calibration import Reliability
from trifuse.bench.recipe import Recipe
from trifuse.bench.summary import Summary, left_out, summarise
from trifuse.core.cells import csv_cell, markdown_cell
from trifuse.core.files import write_text


def write(recipe: Recipe, rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Writes results.csv, summary.csv, table.md, table.tex, plots and index.html; returns their paths.

    With rows that draw several samples, calibration.csv and plots of reliability too.
    """
    table = pd.DataFrame(rows)
    written = [write_text(folder / "results.csv", _csv(table))]
    scores, calibrated = calibration.split(table)
    summaries = [summarise(scores, scale) for scale in recipe.scales if _any(scores, scale)]
    reliabilities = [each for each in (calibration.summarise(calibrated, scale) for scale in recipe.scales) if each]
    if summaries:
        written.append(write_text(folder / "summary.csv", _csv(_long(summaries))))
        written.append(write_text(folder / "table.md", _markdown(recipe, table, summaries, reliabilities)))
        written.append(write_text(folder / "table.tex", _latex(summaries, reliabilities)))
    if reliabilities:
        text = _csv(calibration.long(reliabilities))
        written.append(write_text(folder / "calibration.csv", text))
    drawn = _draw(recipe, scores, summaries, reliabilities, folder / "plots")
    text = page.write(recipe, table, summaries, reliabilities, drawn, folder)
    return [*written, *drawn, write_text(folder / "index.html", text)]


def _csv(table: pd.DataFrame) -> str:
    """Labels and cases are other people's words."""
    return table.map(csv_cell).to_csv(index=False)


def _any(table: pd.DataFrame, scale: int) -> bool:
    return bool(((table["scale"] == scale) & table["value"].notna()).any())


def _markdown(recipe: Recipe, table: pd.DataFrame, summaries: list[Summary], reliabilities: list[Reliability]) -> str:
    parts = [f"# {markdown_cell(recipe.title)}\n", f"{escape(recipe.description, quote=False)}\n"]
    parts += [tables.markdown(each) for each in summaries]
    parts += [tables.calibration_markdown(each) for each in reliabilities]
    reasons = left_out(table.to_dict("records"))
    if reasons:
        parts.append("Left out:\n\n" + "\n".join(f"- {markdown_cell(reason)}" for reason in reasons) + "\n")
    return "\n".join(parts)


def _latex(summaries: list[Summary], reliabilities: list[Reliability]) -> str:
    return "\n".join([*map(tables.latex, summaries), *map(tables.calibration_latex, reliabilities)])


def _long(summaries: list[Summary]) -> pd.DataFrame:
    frames = []
    for summary in summaries:
        parts = {
            "mean": summary.mean,
            "std": summary.std,
            "mean_over_patients": summary.patients,
            "std_over_patients": summary.patients_std,
            "rank": summary.ranks,
        }
        stacked = {name: frame.stack() for name, frame in parts.items()}
        frame = pd.DataFrame(stacked).rename_axis(["method", "metric"]).reset_index()
        frames.append(frame.assign(scale=summary.scale))
    return pd.concat(frames)


def _draw(
    recipe: Recipe,
    table: pd.DataFrame,
    summaries: list[Summary],
    reliabilities: list[Reliability],
    folder: Path,
) -> list[Path]:
    drawn: list[Path] = []
    if reliabilities:
        samples = {entry.label: entry.run.samples for entry in recipe.methods}
        drawn.append(plots.reliability(reliabilities, samples, folder / "reliability.png"))
    for summary in summaries:
        drawn.append(plots.boxes(table, summary.scale, folder / f"boxes-x{summary.scale}.png"))
        for metric in summary.mean.columns:
            name = f"ranks-x{summary.scale}-{metric.replace(':', '-').replace('@', '-')}.png"
            path = None if metric == "seconds" else plots.ranks(table, summary.scale, metric, folder / name)
            drawn += [path] if path else []
    return drawn
