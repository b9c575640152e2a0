"""Tables for papers and readmes: Markdown and LaTeX, best bold, second underlined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trifuse.bench.summary import Summary, direction

ARROWS = {1: "↑", -1: "↓"}


def places(mean: pd.DataFrame, metric: str) -> pd.Series[float]:
    """Rank of each method's mean, 1 = best; equal means share the better rank."""
    return mean[metric].rank(ascending=direction(metric) < 0, method="min")


def digits(values: pd.Series[float]) -> int:
    """Decimals that show about four significant digits of the column's largest value."""
    largest = float(np.nanmax(np.abs(values))) if values.notna().any() else 1.0
    return int(np.clip(3 - np.floor(np.log10(max(largest, 1e-9))), 0, 5))


def cell(summary: Summary, method: str, metric: str, pattern: tuple[str, str, str]) -> str:
    """mean ± std, decorated by `pattern` = (plain, best, second), each with a `{}`."""
    mean, std = float(summary.mean[metric][method]), float(summary.std[metric][method])
    if np.isnan(mean):
        return "–"
    place = places(summary.mean, metric)[method]
    decimals = digits(summary.mean[metric])
    chosen = pattern[int(place)] if place in (1, 2) else pattern[0]
    spread = "" if np.isnan(std) else f" ± {std:.{decimals}f}"
    return chosen.format(f"{mean:.{decimals}f}") + spread


def markdown(summary: Summary) -> str:
    """One scale as a Markdown table."""
    columns = list(summary.mean.columns)
    head = "| method | " + " | ".join(f"{metric} {ARROWS[direction(metric)]}" for metric in columns) + " | mean rank |"
    lines = [head, "|---|" + "---:|" * (len(columns) + 1)]
    ranked = [metric for metric in columns if metric != "seconds"]
    for method in summary.mean.index:
        cells = [cell(summary, method, metric, ("{}", "**{}**", "<u>{}</u>")) for metric in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {summary.ranks.loc[method, ranked].mean():.2f} |")
    note = f"x{summary.scale}; mean ± standard deviation over cases ({int(summary.cases.max())} cases, "
    note += f"{summary.count} patients); best bold, second underlined; mean rank over the metrics."
    return "\n".join([*lines, "", note, ""])


def latex(summary: Summary) -> str:
    """One scale as a LaTeX table (booktabs)."""
    columns = list(summary.mean.columns)
    arrows = {1: r"$\uparrow$", -1: r"$\downarrow$"}
    head = " & ".join(["Method", *(f"{_escape(metric)} {arrows[direction(metric)]}" for metric in columns)])
    lines = [r"\begin{tabular}{l" + "r" * len(columns) + "}", r"\toprule", head + r" \\", r"\midrule"]
    for method in summary.mean.index:
        cells = [cell(summary, method, metric, ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")) for metric in columns]
        row = " & ".join([_escape(method), *(text.replace(" ± ", r" $\pm$ ") for text in cells)])
        lines.append(row + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _escape(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
