"""Box plots per metric, and rank plots with groups that do not differ significantly joined by a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from trifuse.bench.calibration import LEVELS, Reliability, attainable
from trifuse.bench.summary import direction, rank_cases, significance
from trifuse.core.files import publish

LITERAL = mpl.rc_context({"text.parse_math": False})
"""Labels are other people's words: what stands between dollars is no mathematics."""

MOST = 12
"""Most methods in a plot of ranks; more cannot be read, nor told apart by a corrected test."""


@LITERAL
def boxes(table: pd.DataFrame, scale: int, path: Path) -> Path:
    """One panel per metric: the distribution over cases of every method."""
    rows = table[(table["scale"] == scale) & table["value"].notna()]
    metrics = list(dict.fromkeys(rows["metric"]))
    methods = list(dict.fromkeys(rows["method"]))
    across = min(4, len(metrics))
    down = -(-len(metrics) // across)
    height = 1.2 + 0.28 * len(methods)
    figure, axes = plt.subplots(down, across, figsize=(4.2 * across, height * down), squeeze=False, sharey=True)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        chosen = rows[rows["metric"] == metric]
        values = [chosen.loc[chosen["method"] == method, "value"].to_numpy() for method in methods]
        axis.boxplot(values, orientation="horizontal", manage_ticks=False, flierprops={"markersize": 3})
        axis.set_title(f"{metric} ({'higher' if direction(metric) > 0 else 'lower'} is better)", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(1, len(methods) + 1), methods)
    axes[0, 0].set_ylim(len(methods) + 0.6, 0.4)
    for axis in list(axes.flat)[len(metrics) :]:
        axis.axis("off")
    return _save(figure, path)


@LITERAL
def ranks(table: pd.DataFrame, scale: int, metric: str, path: Path) -> Path | None:
    """Critical-difference diagram: mean ranks over cases, Wilcoxon tests with Holm correction at 5 %.

    Of many methods, the `MOST` best are compared. None where there are too few cases or methods for a test.
    """
    import scikit_posthocs

    rows = table[(table["scale"] == scale) & table["value"].notna()]
    best = rank_cases(rows, metric).mean(axis=0).nsmallest(MOST).index
    rows = rows[rows["method"].isin(best)]
    p = significance(rows, metric)
    if p is None:
        return None
    mean = rank_cases(rows, metric).mean(axis=0)
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.22 * len(mean)))
    scikit_posthocs.critical_difference_diagram(
        mean, p, ax=axis, label_fmt_left="{label} ({rank:.2f})  ", label_fmt_right="  ({rank:.2f}) {label}"
    )
    axis.set_title(f"{metric}, x{scale}: mean rank (1 = best); joined: no significant difference", fontsize=9)
    return _save(figure, path)


@LITERAL
def reliability(reliabilities: Sequence[Reliability], samples: Mapping[str, int], path: Path) -> Path:
    """One panel per scale: observed against nominal coverage of the intervals of every row that draws samples.

    Grey lines show what so many samples of a perfect sampler reach; `samples` tells how many each row drew.
    """
    figure, axes = plt.subplots(1, len(reliabilities), figsize=(4.6 * len(reliabilities), 4.6), squeeze=False)
    for axis, each in zip(axes.flat, reliabilities, strict=True):
        axis.plot([0, 100], [0, 100], color="black", linewidth=0.8, label="nominal")
        for count in sorted({samples[method] for method in each.mean.index}):
            ideal = [attainable(level, count) for level in LEVELS]
            axis.plot(LEVELS, ideal, color="grey", linewidth=0.8, linestyle="--", label=f"perfect, {count} samples")
        for method in each.mean.index:
            observed = [100 * each.mean.loc[method, f"coverage_{level}"] for level in LEVELS]
            axis.plot(LEVELS, observed, marker="o", markersize=3, label=method)
        axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="nominal coverage, %", aspect="equal")
        axis.set_title(f"x{each.scale}: above the diagonal too wide, below too narrow", fontsize=9)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper left")
    axes[0, 0].set_ylabel("pixels of the truth inside, %")
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    try:
        return publish(path, lambda draft: figure.savefig(draft, dpi=110), None)
    finally:
        plt.close(figure)
