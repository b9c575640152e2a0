"""DDFM: quality of the fused picture against the number of reverse steps, as a table, a CSV file and a plot.

    python -m benchmarks ddfm_steps --data ../shared/data/aanlib2d -o docs [--samplers ddim,dpm++2m] [--pairs 3]

Pairs of validation patients, on which the defaults of the method were chosen; the middle 160 x 160 pixels of each
(without most of the black border).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.prior import MEASURES, Array, pairs
from trifuse.methods import get
from trifuse.metrics.evaluate import evaluate
from trifuse.random import Random

STEPS = (2, 3, 5, 8, 10, 15, 25, 50)
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
    """Means of the metrics against both sources, and processor seconds per pair."""
    method = get("ddfm")(sampler=sampler, steps=steps)  # type: ignore[call-arg]
    rows = []
    clock = time.process_time()
    for pair in chosen:
        tensors = [torch.from_numpy(source).float()[None, None] for source in pair]
        with torch.inference_mode():
            fused = torch.as_tensor(method.fuse(tensors, scale=1, random=Random()))[0, 0].double().numpy()
        values = evaluate(255 * fused, [255 * source for source in pair], metrics=MEASURES)
        rows.append([values[name] for name in MEASURES])
    seconds = (time.process_time() - clock) / len(chosen)
    return [*(round(float(value), 4) for value in np.mean(rows, axis=0)), round(seconds, 2)]


def draw(table: Path, target: Path) -> None:
    """One panel per metric, one line per sampler."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(3 * len(MEASURES), 2.8), layout="constrained")
    for panel, name in zip(panels, MEASURES, strict=True):
        for sampler in dict.fromkeys(row["sampler"] for row in rows):
            own = [row for row in rows if row["sampler"] == sampler]
            panel.plot([int(row["steps"]) for row in own], [float(row[name]) for row in own], "o-", ms=3, label=sampler)
        panel.set(title=name, xscale="log", xlabel="reverse steps", xticks=STEPS, xticklabels=STEPS)
        panel.minorticks_off()
    panels[0].legend(frameon=False)
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main()
