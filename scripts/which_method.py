"""Writes README.md's table "Which method for my case" from the results in docs: best and next best of each question.

    python scripts/which_method.py           # writes it
    python scripts/which_method.py --check   # exit code 1 where README.md says something else

The results come from `trifuse bench lesions` (docs/lesions.csv), `trifuse bench table1`
(docs/tfs-diff-table1.csv) and `scripts/compare_ddfm_palm.py` (docs/ddfm-palm.csv).
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"(<!-- made by scripts/which_method\.py -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
COMMANDS = {
    "gradient-domain": "the default",
    "TFS-Diff": "`--method tfs-diff --scale {scale}`",
    "DDFM-PALM trust 2": "`--method ddfm-palm -O trust=2`",
}
"""How the winners are called; another winner stops the script, since the README's words must then be thought over."""

Row = dict[str, str]


class Question(NamedTuple):
    """A case, what decides, and where it was measured.

    Attributes:
        case: what a user has and wants.
        measure: what decides, in words.
        file: results, one method a row.
        wanted: which rows count.
        value: the number that decides, large is good.
        shown: the number as it is printed.
        scale: magnification, if any.
    """

    case: str
    measure: str
    file: str
    wanted: Callable[[Row], bool]
    value: Callable[[Row], float]
    shown: Callable[[Row], str]
    scale: str = "1"


def magnified(scale: str) -> Question:
    """Three sources of low resolution; the truth is fused from the full resolution."""
    return Question(
        f"three sources, magnified x{scale}",
        "squared error to the fusion of the full resolution",
        "tfs-diff-table1.csv",
        lambda row: row["metric"] == "mse:reference" and row["scale"] == scale,
        lambda row: -float(row["mean"]),
        lambda row: f"{float(row['mean']):.0f}",
        scale,
    )


def of_lesions(case: str, measure: str, figure: tuple[str, str]) -> Question:
    """Structures with a lesion; a metric and which figure of it decides, among methods with their own settings."""
    metric, column = figure
    return Question(
        case,
        measure,
        "lesions.csv",
        lambda row: row["metric"] == metric and "," not in row["method"],
        lambda row: float(row[column]),
        lambda row: f"{float(row[column]):.2f}",
    )


QUESTIONS = (
    of_lesions(
        "structures (T1, Gad, FLAIR ...), a lesion must not fade",
        "share of the lesion's contrast kept, weakest tenth of slices",
        ("lesion_cnr", "p10"),
    ),
    of_lesions(
        "structures, no edge must be lost",
        "strong edges kept of the source that keeps least",
        ("edge_recall", "mean"),
    ),
    *(magnified(scale) for scale in ("2", "4", "8")),
    Question(
        "ultrasound with MRI, noisy",
        "PSNR in dB to the clean ultrasound",
        "ddfm-palm.csv",
        lambda row: row["set"] == "2" and row["psnr"] != "",
        lambda row: float(row["psnr"]),
        lambda row: f"{float(row['psnr']):.1f}",
    ),
)


def answered(question: Question) -> str:
    """The row of the table that answers a question."""
    with (DOCS / question.file).open(newline="", encoding="utf-8") as file:
        rows = sorted(filter(question.wanted, csv.DictReader(file)), key=question.value, reverse=True)
    best, second = rows[:2]
    way = COMMANDS[best["method"]].format(scale=question.scale)
    found = f"{question.shown(best)} (next: {second['method']}, {question.shown(second)})"
    return f"| {question.case} | {way} | {question.measure}: {found} |"


def block() -> str:
    """The table as Markdown."""
    return "\n".join(["| you have | take | measured |", "|---|---|---|", *map(answered, QUESTIONS)]) + "\n"


def main() -> int:
    """Writes the table, or checks it."""
    path = REPOSITORY / "README.md"
    text = path.read_text(encoding="utf-8")
    made = BLOCK.sub(lambda found: f"{found[1]}{block()}{found[3]}", text)
    if "--check" in sys.argv:
        return int(made != text)
    path.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
