"""Everything a benchmark leaves behind, written from its tidy table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from trifuse import io
from trifuse.bench import page, plots, tables
from trifuse.bench.recipe import Recipe
from trifuse.bench.summary import Summary, summarise


def write(recipe: Recipe, rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Writes results.csv, summary.csv, table.md, table.tex, plots and index.html; returns their paths."""
    table = pd.DataFrame(rows)
    written = [io.write_text(folder / "results.csv", table.to_csv(index=False))]
    summaries = [summarise(table, scale) for scale in recipe.scales if _any(table, scale)]
    if summaries:
        written.append(io.write_text(folder / "summary.csv", _long(summaries).to_csv(index=False)))
        written.append(io.write_text(folder / "table.md", _markdown(recipe, summaries)))
        written.append(io.write_text(folder / "table.tex", "\n".join(tables.latex(each) for each in summaries)))
    drawn = _draw(table, summaries, folder / "plots")
    text = page.write(recipe, table, summaries, drawn, folder)
    return [*written, *drawn, io.write_text(folder / "index.html", text)]


def _any(table: pd.DataFrame, scale: int) -> bool:
    return bool(((table["scale"] == scale) & table["value"].notna()).any())


def _markdown(recipe: Recipe, summaries: list[Summary]) -> str:
    return f"# {recipe.title}\n\n{recipe.description}\n\n" + "\n".join(tables.markdown(each) for each in summaries)


def _long(summaries: list[Summary]) -> pd.DataFrame:
    frames = []
    for summary in summaries:
        parts = {
            "mean": summary.mean,
            "std": summary.std,
            "mean_over_patients": summary.patients,
            "rank": summary.ranks,
        }
        stacked = {name: frame.stack() for name, frame in parts.items()}
        frame = pd.DataFrame(stacked).rename_axis(["method", "metric"]).reset_index()
        frames.append(frame.assign(scale=summary.scale))
    return pd.concat(frames)


def _draw(table: pd.DataFrame, summaries: list[Summary], folder: Path) -> list[Path]:
    drawn: list[Path] = []
    for summary in summaries:
        drawn.append(plots.boxes(table, summary.scale, folder / f"boxes-x{summary.scale}.png"))
        for metric in summary.mean.columns:
            name = f"ranks-x{summary.scale}-{metric.replace(':', '-').replace('@', '-')}.png"
            path = None if metric == "seconds" else plots.ranks(table, summary.scale, metric, folder / name)
            drawn += [path] if path else []
    return drawn
