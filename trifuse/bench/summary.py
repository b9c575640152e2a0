"""From the tidy table to means, deviations, ranks and tests of significance.

All frames are indexed by method in the recipe's order. Means are means of per-image values, with the standard
deviation over cases; means over patients weigh every patient alike.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        ranks: method x metric, mean over cases of the rank within the case (1 = best).
        cases: number of cases per method.
        count: number of patients.
    """

    scale: int
    mean: pd.DataFrame
    std: pd.DataFrame
    patients: pd.DataFrame
    ranks: pd.DataFrame
    cases: pd.Series[int]
    count: int


def direction(metric: str) -> int:
    """+1 if higher is better, -1 if lower is (seconds too); a suffix such as `:reference` plays no part."""
    if metric == "seconds":
        return -1
    return -1 if metrics.get(metric.split(":")[0]).card.direction == "low" else 1


def summarise(table: pd.DataFrame, scale: int) -> Summary:
    """Summary of the rows of one scale; failed rows are left out."""
    rows = table[(table["scale"] == scale) & table["value"].notna()]
    methods = list(dict.fromkeys(rows["method"]))
    order = list(dict.fromkeys(rows["metric"]))
    finite = rows[np.isfinite(rows["value"])]
    grouped = finite.groupby(["method", "metric"])["value"]
    per_patient = finite.groupby(["method", "metric", "patient"])["value"].mean().groupby(["method", "metric"]).mean()
    return Summary(
        scale=scale,
        mean=_wide(grouped.mean(), methods, order),
        std=_wide(grouped.std(), methods, order),
        patients=_wide(per_patient, methods, order),
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
