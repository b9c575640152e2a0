"""DDFM: quality of the fused picture against the number of reverse steps, as a table, a CSV file and a plot.

    python -m benchmarks ddfm_steps --data ../shared/data/aanlib2d -o docs [--samplers ddim,dpm++2m] [--pairs 3]

Pairs of validation patients, on which the defaults of the method were chosen; the middle 160 x 160 pixels of each
(without most of the black border), with noise of 20 of 255, since clean sources need no step. 0 steps: no prior.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from benchmarks.prior import DIRT, MEASURES, Array, fused_by, pairs
from trifuse.methods import get
from trifuse.metrics.evaluate import evaluate

STEPS = (0, 1, 2, 3, 5, 8)
MIDDLE = slice(40, 200)


def main() -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--samplers", default="ddim,dpm++2m")
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    chosen = [(a[MIDDLE, MIDDLE].copy(), b[MIDDLE, MIDDLE].copy()) for a, b in pairs(given.data, given.pairs, "val")]
    target = given.output / "ddfm-steps.csv"
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sampler", "steps", *MEASURES, "cpu_seconds"])
        for sampler in given.samplers.split(","):
            for steps in STEPS:
                row = [sampler, steps, *measured(chosen, sampler, steps)]
                writer.writerow(row)
                print(*row, flush=True)
    draw(target, given.output / "ddfm-steps.png")


def measured(chosen: list[tuple[Array, Array]], sampler: str, steps: int) -> list[float]:
    """Means of the metrics against both clean sources, and processor seconds per pair."""
    method = get("ddfm")(**{"sampler": sampler, "steps": steps} if steps else {"noise": 0})
    rows, seconds = [], 0.0
    for index, pair in enumerate(chosen):
        random = np.random.default_rng(index)
        seen = [np.clip(source + DIRT / 255 * random.standard_normal(source.shape), 0, 1) for source in pair]
        clock = time.process_time()
        fused = fused_by(method, seen)
        seconds += time.process_time() - clock
        values = evaluate(255 * fused, [255 * source for source in pair], metrics=MEASURES)
        rows.append([values[name] for name in MEASURES])
    return [*(round(float(value), 4) for value in np.mean(rows, axis=0)), round(seconds / len(chosen), 2)]


def draw(table: Path, target: Path) -> None:
    """One panel per metric, one line per sampler."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure, panels = plt.subplots(2, 4, figsize=(11, 5), layout="constrained")
    for panel, name in zip(panels.flat, MEASURES, strict=True):
        for sampler in dict.fromkeys(row["sampler"] for row in rows):
            own = [row for row in rows if row["sampler"] == sampler]
            panel.plot([int(row["steps"]) for row in own], [float(row[name]) for row in own], "o-", ms=3, label=sampler)
        panel.set(title=name, xlabel="reverse steps", xticks=STEPS, xticklabels=STEPS)
    panels[0, 0].legend(frameon=False)
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main()
