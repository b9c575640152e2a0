"""From the tidy table to means, deviations, ranks and tests of significance.

All frames are indexed by method in the recipe's order. Means are means of per-image values, with the standard
deviation over cases; means over patients weigh every patient alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trifuse import metrics


@dataclass(frozen=True)
class Summary:
    """Numbers of one scale.

    Attributes:
        scale: magnification.
        mean: method x metric, mean over cases.
        std: method x metric, standard deviation over cases (n - 1).
        patients: method x metric, mean over patients of their means.
        patients_std: method x metric, standard deviation over patients of their means (n - 1).
        ranks: method x metric, mean over cases of the rank within the case (1 = best).
        cases: number of cases per method.
        count: number of patients.
    """

    scale: int
    mean: pd.DataFrame
    std: pd.DataFrame
    patients: pd.DataFrame
    patients_std: pd.DataFrame
    ranks: pd.DataFrame
    cases: pd.Series[int]
    count: int


def direction(metric: str) -> int:
    """+1 if higher is better, -1 if lower is, as for seconds and for a `:difference` from the truth."""
    if metric == "seconds" or metric.endswith(":difference"):
        return -1
    card = metrics.get(metric.split(":")[0]).card
    nearest_zero_from_above = card.direction == "zero" and card.range[0] == 0
    return -1 if card.direction == "low" or nearest_zero_from_above else 1


def readings(metrics: Sequence[str]) -> dict[str, list[str]]:
    """Columns of each table: metrics against the sources, metrics against the ground truth, where there are both."""
    truth = [metric for metric in metrics if metric.endswith((":reference", ":difference"))]
    rest = [metric for metric in metrics if metric not in truth]
    return {"against the sources": rest, "against the ground truth": truth} if truth else {"": rest}


def heading(metric: str) -> str:
    """A metric as a table names it that says what it is measured against."""
    name, _, suffix = metric.partition(":")
    return {"reference": name, "difference": f"{name} difference"}.get(suffix, metric)


def mean_ranks(ranks: pd.DataFrame, columns: Sequence[str]) -> pd.Series[float]:
    """Mean over the metrics of `columns`, seconds apart, of the ranks of each method."""
    return ranks[[metric for metric in columns if metric != "seconds"]].mean(axis=1)


def summarise(table: pd.DataFrame, scale: int) -> Summary:
    """Summary of the rows of one scale; failed rows are left out."""
    rows = table[(table["scale"] == scale) & table["value"].notna()]
    methods = list(dict.fromkeys(rows["method"]))
    order = list(dict.fromkeys(rows["metric"]))
    finite = rows[np.isfinite(rows["value"])]
    grouped = finite.groupby(["method", "metric"])["value"]
    of_patients = finite.groupby(["method", "metric", "patient"])["value"].mean().groupby(["method", "metric"])
    return Summary(
        scale=scale,
        mean=_wide(grouped.mean(), methods, order),
        std=_wide(grouped.std(), methods, order),
        patients=_wide(of_patients.mean(), methods, order),
        patients_std=_wide(of_patients.std(), methods, order),
        ranks=pd.DataFrame({metric: rank_cases(rows, metric).mean(axis=0) for metric in order}).reindex(methods),
        cases=rows.groupby("method")["case"].nunique().reindex(methods),
        count=int(rows["patient"].nunique()),
    )


def _wide(values: pd.Series[float], methods: list[str], order: list[str]) -> pd.DataFrame:
    return values.unstack("metric").reindex(index=methods, columns=order)


def by_case(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """case x method values of one metric, of the cases that every method finished."""
    wide = rows[rows["metric"] == metric].pivot_table(index="case", columns="method", values="value", sort=False)
    return wide.dropna()


def rank_cases(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """case x method ranks of one metric, 1 = best, ties share their mean rank."""
    return by_case(rows, metric).rank(axis=1, ascending=direction(metric) < 0)


def significance(rows: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """method x method p-values: Wilcoxon signed-rank tests over cases, Holm-corrected; None with fewer than 5 cases.

    Identical results have p = 1.
    """
    import scikit_posthocs

    values = by_case(rows, metric)
    if len(values) < 5 or values.shape[1] < 2:
        return None
    long = values.melt(var_name="method", value_name="value")
    p: pd.DataFrame = scikit_posthocs.posthoc_wilcoxon(
        long, val_col="value", group_col="method", p_adjust="holm", zero_method="zsplit"
    )
    return p.reindex(index=values.columns, columns=values.columns).fillna(1.0)


def notes(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """What is to be said of the values of cases, each once."""
    told = [f"{row['case']}: {row['notes']}" for row in rows if row.get("notes")]
    return list(dict.fromkeys(told))


def left_out(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """What of the tidy table was not measured and why: rows without weights, metrics without theirs; a reason once."""
    methods = {row["method"] for row in rows}
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.get("left_out"):
            reasons.setdefault(row["left_out"], []).append(row["method"])
    found = []
    for reason, names in reasons.items():
        named = list(dict.fromkeys(names))
        found.append(reason if len(named) == len(methods) > 1 else f"{'; '.join(named)}: {reason}")
    return found
