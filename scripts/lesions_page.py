"""Makes docs/lesions.csv and the tables of docs/lesions.md from runs of the benchmarks of use.

    python scripts/lesions_page.py runs/lesions [runs/lesions-sts]

Means are of patients' means; the interval is that of Student's t at 95 % over patients.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import t as student

COLUMNS = ("lesion_cnr", "lesion_lab", "edge_recall", "edge_recall@head", "speckle", "background_lift", "qabf", "vif")
DOCS = Path(__file__).parents[1] / "docs"


def summary(folder: Path) -> list[dict[str, str]]:
    """One row per method and metric: patients, cases, mean, half of the interval, weakest tenth of the cases."""
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] in COLUMNS and row["value"]:
                values[row["method"], row["metric"]][row["patient"]].append(float(row["value"]))
    rows = []
    for (method, metric), patients in values.items():
        means = np.array([np.mean(cases) for cases in patients.values()])
        cases = np.concatenate([np.array(cases) for cases in patients.values()])
        half = float(student.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
        told = {"mean": means.mean(), "ci95": half, "median": np.median(cases), "p10": np.percentile(cases, 10)}
        counts = {"patients": str(len(means)), "cases": str(len(cases))}
        numbers = {name: f"{number:.4f}" for name, number in told.items()}
        rows.append({"run": folder.name, "method": method, "metric": metric, **counts, **numbers})
    return rows


def table(rows: list[dict[str, str]]) -> str:
    """Markdown: methods down, metrics across, mean ± half of the interval."""
    cells = {(row["method"], row["metric"]): f"{float(row['mean']):.2f} ± {float(row['ci95']):.2f}" for row in rows}
    lines = ["| method | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {method} | " + " | ".join(cells.get((method, metric), "") for metric in COLUMNS) + " |"
        for method in dict.fromkeys(row["method"] for row in rows)
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the CSV and puts each table between its marks in the page."""
    runs = {Path(name).name: summary(Path(name)) for name in sys.argv[1:]}
    everything = [row for rows in runs.values() for row in rows]
    with (DOCS / "lesions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(everything[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(everything)
    page = DOCS / "lesions.md"
    text = page.read_text(encoding="utf-8")
    for name, rows in runs.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        text = f"{before}<!-- {name} -->\n{table(rows)}\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
