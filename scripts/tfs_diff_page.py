"""Runs Table 1 of TFS-Diff and writes its numbers into docs/tfs-diff.md:

    TRIFUSE_LPIPS=WEIGHTS python scripts/tfs_diff_page.py PATH_TO_DATA [--run runs/table1] [--workers 2] [--limit 6]

A run that is there already goes on where it stopped. The page gets all rows of TFS-Diff and of BitonicX, and of every
other method the upsampling with the best mean rank; docs/tfs-diff-table1.csv gets all rows. With --all-rows it is
docs/tfs-diff-all-rows.md that is written, with every row.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from trifuse.bench import calibration, recipe, report, run, tables
from trifuse.bench.summary import Summary, left_out, mean_ranks, readings, summarise
from trifuse.engines import Local

ROOT = Path(__file__).resolve().parents[1]
PAGE, PLOT, TABLE = (ROOT / "docs" / f"tfs-diff{end}" for end in (".md", "-table1.png", "-table1.csv"))
ALL_ROWS = ROOT / "docs" / "tfs-diff-all-rows.md"
BEGIN, END = "<!-- tables: written by scripts/tfs_diff_page.py -->\n", "<!-- end of tables -->\n"
IN_FULL = ("TFS-Diff", "Direct regression", "BitonicX")
"""Methods of which all rows are shown."""


def base(label: str) -> str:
    """The method of a row's label: "CTSR" of "CTSR (sr3 after)"."""
    return label.split(" (")[0]


def shown(summary: Summary, columns: list[str]) -> list[str]:
    """Labels of the rows that the page shows of one reading."""
    ranks = mean_ranks(summary.ranks, columns)
    best = {ranks[[x for x in ranks.index if base(x) == name]].idxmin() for name in map(base, ranks.index)}
    return [label for label in ranks.index if base(label) in IN_FULL or label in best]


def over_cases(summary: Summary) -> list[tuple[str, str]]:
    """The tables of both readings at one scale, means over cases, each with what is said below it."""
    blocks = [block.strip() for block in tables.markdown(summary).split("\n\n")]
    return [(rows, note) for rows, note in zip(blocks[::2], blocks[1::2], strict=True) if "over cases" in note]


def all_tables(summary: Summary) -> str:
    """Both readings at one scale with every row."""
    return "\n\n".join([f"## x{summary.scale}", *(f"{rows}\n\n{note}" for rows, note in over_cases(summary))]) + "\n"


def scale_tables(summary: Summary) -> str:
    """Both readings at one scale; places are those among all rows."""
    pairs = over_cases(summary)
    parts = [f"### x{summary.scale}\n"]
    for (rows, note), columns in zip(pairs, readings(list(summary.mean.columns)).values(), strict=True):
        kept = {f"| {label} |" for label in shown(summary, columns)}
        lines = rows.splitlines()
        body = [line for line in lines[2:] if any(line.startswith(start) for start in kept)]
        parts.append("\n".join([*lines[:2], *body]) + f"\n\n{note}\n")
    return "\n".join(parts)


def plot(summaries: list[Summary]) -> None:
    """PSNR against the ground truth of the rows that the page shows, with the standard deviation over cases."""
    metric = "psnr:reference"
    labels = list(dict.fromkeys(label for each in summaries for label in shown(each, [metric])))
    labels.sort(key=lambda label: summaries[0].mean[metric].get(label, 0))
    figure, axis = plt.subplots(figsize=(7.5, 0.8 + 0.26 * len(labels)))
    for offset, each in zip((0.2, 0, -0.2), summaries, strict=False):
        mean, std = each.mean[metric].reindex(labels), each.std[metric].reindex(labels)
        heights = [index + offset for index in range(len(labels))]
        axis.errorbar(mean, heights, xerr=std, fmt="o", markersize=4, linewidth=1, label=f"x{each.scale}")
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("PSNR against BitonicX of the full-resolution sources, dB")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(PLOT, dpi=90)


def section(table: pd.DataFrame, summaries: list[Summary], scales: list[int]) -> str:
    """What the page says between its marks."""
    calibrated = calibration.split(table)[1]
    found = [each for each in (calibration.summarise(calibrated, scale) for scale in scales) if each]
    used = sorted({each for text in table["weights"] for each in text.split()})
    per_case = table[table["metric"] == "seconds"].groupby("case")["value"].sum()
    parts = [
        f"trifuse {', '.join(sorted(set(table['version'])))}; weights (first digits of sha256): {', '.join(used)}. "
        f"{len(per_case)} cases; all rows at all scales take {per_case.mean():.0f} s per case, metrics apart.\n",
        f"![PSNR of the rows below]({PLOT.name})\n",
        *map(scale_tables, summaries),
        *(["### Calibration of the uncertainty\n"] if found else []),
        *map(tables.calibration_markdown, found),
    ]
    absent = [reason.split(": ")[0] for reason in left_out(table.to_dict("records"))]
    if absent:
        parts.append(f"Left out, for want of weights: {'; '.join(absent)}.\n")
    return "\n".join(parts)


def main() -> None:
    """Runs what is not done yet and rewrites the page, its plot and its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, default=Path("runs/table1"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--methods")
    parser.add_argument("--all-rows", action="store_true", help="every row, to docs/tfs-diff-all-rows.md")
    given = parser.parse_args()
    chosen = recipe.narrowed(recipe.load(ROOT / "trifuse/recipes/bench/table1.yaml"), given.limit, given.methods)
    rows = run.run(chosen, given.data, given.run, Local(given.workers))
    table = pd.DataFrame(rows)
    scores = calibration.split(table)[0]
    summaries = [summarise(scores, scale) for scale in chosen.scales]
    if given.all_rows:
        replace(ALL_ROWS, "\n".join(map(all_tables, summaries)))
        return
    report.write(chosen, rows, given.run)
    plot(summaries)
    numbers = pd.read_csv(given.run / "summary.csv").round(5)
    numbers.to_csv(TABLE, index=False)
    replace(PAGE, section(table, summaries, list(chosen.scales)))


def replace(page: Path, text: str) -> None:
    """Puts the text between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
