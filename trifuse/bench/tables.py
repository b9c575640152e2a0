"""Tables for papers and readmes: Markdown and LaTeX, best bold, second underlined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from trifuse.bench.calibration import SHOWN, Reliability
from trifuse.bench.summary import Summary, direction, heading, mean_ranks, readings
from trifuse.core.cells import latex_cell, markdown_cell

ARROWS = {1: "↑", -1: "↓"}

Over = Literal["cases", "patients"]
"""What means and deviations are taken over."""


def places(mean: pd.DataFrame, metric: str) -> pd.Series[float]:
    """Rank of each method's mean, 1 = best; equal means share the better rank."""
    return mean[metric].rank(ascending=direction(metric) < 0, method="min")


def digits(values: pd.Series[float]) -> int:
    """Decimals that show about four significant digits of the column's largest value."""
    largest = float(np.nanmax(np.abs(values))) if values.notna().any() else 1.0
    return int(np.clip(3 - np.floor(np.log10(max(largest, 1e-9))), 0, 5))


def cell(summary: Summary, method: str, metric: str, pattern: tuple[str, str, str], over: Over = "cases") -> str:
    """mean ± std, decorated by `pattern` = (plain, best, second), each with a `{}`."""
    means, stds = (summary.mean, summary.std) if over == "cases" else (summary.patients, summary.patients_std)
    mean, std = float(means[metric][method]), float(stds[metric][method])
    if np.isnan(mean):
        return "–"
    place = places(means, metric)[method]
    decimals = digits(means[metric])
    chosen = pattern[int(place)] if place in (1, 2) else pattern[0]
    spread = "" if np.isnan(std) else f" ± {std:.{decimals}f}"
    return chosen.format(f"{mean:.{decimals}f}") + spread


def rank_cell(ranks: pd.Series[float], method: str, pattern: tuple[str, str, str]) -> str:
    """The mean rank, decorated like `cell`."""
    place = ranks.round(2).rank(method="min")[method]
    return (pattern[int(place)] if place in (1, 2) else pattern[0]).format(f"{ranks[method]:.2f}")


def markdown(summary: Summary) -> str:
    """One scale as Markdown: a table for each reading of the metrics, over cases and over patients."""
    parts = []
    for title, columns in readings(list(summary.mean.columns)).items():
        overs: tuple[Over, ...] = ("cases", "patients") if summary.count > 1 else ("cases",)
        for over in overs:
            named = ", ".join(part for part in (f"x{summary.scale}", title) if part)
            parts.append(_markdown(summary, columns, over, named))
    return "\n".join(parts)


def _markdown(summary: Summary, columns: Sequence[str], over: Over, title: str) -> str:
    pattern = ("{}", "**{}**", "<u>{}</u>")
    ranks = mean_ranks(summary.ranks, columns)
    head = " | ".join(f"{heading(metric)} {ARROWS[direction(metric)]}" for metric in columns)
    lines = [f"| method | {head} | mean rank |", "|---|" + "---:|" * (len(columns) + 1)]
    for method in summary.mean.index:
        cells = [cell(summary, method, metric, pattern, over) for metric in columns]
        lines.append(f"| {markdown_cell(method)} | " + " | ".join(cells) + f" | {rank_cell(ranks, method, pattern)} |")
    note = f"{title}; mean ± standard deviation over {over} ({int(summary.cases.max())} cases, "
    note += f"{summary.count} patients); best bold, second underlined; mean rank over the metrics."
    return "\n".join([*lines, "", note, ""])


def latex(summary: Summary) -> str:
    """One scale as LaTeX tables (booktabs), one for each reading of the metrics."""
    return "\n".join(_latex(summary, columns) for columns in readings(list(summary.mean.columns)).values())


def _latex(summary: Summary, columns: Sequence[str]) -> str:
    arrows = {1: r"$\uparrow$", -1: r"$\downarrow$"}
    pattern = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")
    ranks = mean_ranks(summary.ranks, columns)
    head = [
        "Method",
        *(f"{latex_cell(heading(metric))} {arrows[direction(metric)]}" for metric in columns),
        "Mean rank",
    ]
    body = []
    for method in summary.mean.index:
        cells = [cell(summary, method, metric, pattern).replace(" ± ", r" $\pm$ ") for metric in columns]
        body.append([latex_cell(method), *cells, rank_cell(ranks, method, pattern)])
    return _booktabs(head, body)


def calibration_markdown(reliability: Reliability) -> str:
    """Calibration at one scale as Markdown."""
    head = "| method | " + " | ".join(SHOWN.values()) + " |"
    lines = [head, "|---|" + "---:|" * len(SHOWN)]
    lines += [
        f"| {markdown_cell(method)} | " + " | ".join(calibration_cells(reliability, method)) + " |"
        for method in reliability.mean.index
    ]
    note = f"x{reliability.scale}; calibration of the standard deviation over samples against the ground truth, mean ± "
    note += f"standard deviation over {reliability.cases} cases: correlation of spread and absolute error, share of "
    note += "pixels in central Gaussian intervals, mean spread in grey levels, rms error / rms spread (1 is right)."
    return "\n".join([*lines, "", note, ""])


def calibration_latex(reliability: Reliability) -> str:
    """Calibration at one scale as a LaTeX table (booktabs)."""
    body = [
        [
            latex_cell(method),
            *(latex_cell(text).replace(" ± ", r" $\pm$ ") for text in calibration_cells(reliability, method)),
        ]
        for method in reliability.mean.index
    ]
    return _booktabs(["Method", *(latex_cell(name) for name in SHOWN.values())], body)


def calibration_cells(reliability: Reliability, method: str) -> list[str]:
    """mean ± std of the columns of `calibration.SHOWN`, coverages in percent."""
    cells = []
    for name in SHOWN:
        factor, decimals = (100, 1) if name.startswith("coverage") else (1, 2)
        mean, std = (factor * float(frame[name][method]) for frame in (reliability.mean, reliability.std))
        spread = "" if np.isnan(std) else f" ± {std:.{decimals}f}"
        cells.append("–" if np.isnan(mean) else f"{mean:.{decimals}f}{spread}")
    return cells


def _booktabs(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
