"""TFS-Diff's gain over BitonicX on bicubic sources, by patient: triplets of a split made small, the paper's truth.

    python -m benchmarks people [--split test] [--sets aanlib2d lgg2d] [--scales 2 4 8] [--every 3] [--csv FILE]

The truth is BitonicX of the sources at full resolution. Prints, for each set and scale, the gain in PSNR as a mean over
patients with its 95 % interval (bootstrap over patients), and the worst patient. Of AANLIB only cases with a functional
picture count. Reads the folder in TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trifuse.core.image import Image
from trifuse.fusion import fuse
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Case, cases
from trifuse.train.data.images import load
from trifuse.train.data.single import cropped
from trifuse.train.settings.data import Tables

Picture = NDArray[np.float32]


def main() -> None:
    """Prints the table."""
    arguments = _arguments()
    rows = [
        {"set": name, "patient": case.patient, "case": case.name, **measured}
        for name in arguments.sets
        for case in chosen(name, arguments.split, arguments.every)
        for measured in measures(case, arguments.scales)
    ]
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for name in arguments.sets:
        for scale in arguments.scales:
            print(line(name, scale, [row for row in rows if (row["set"], row["scale"]) == (name, scale)]))


def _arguments() -> argparse.Namespace:
    parser = choosing("TFS-Diff's gain over BitonicX on bicubic sources, by patient.", every=3)
    parser.add_argument("--csv", type=Path, help="file for every case's figures")
    return parser.parse_args()


def choosing(description: str, every: int) -> argparse.ArgumentParser:
    """The options that say which people and scales are measured."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--sets", nargs="*", default=["aanlib2d", "lgg2d"])
    parser.add_argument("--scales", nargs="*", type=int, default=[2, 4, 8])
    parser.add_argument("--every", type=int, default=every, help="which of a patient's cases are measured")
    return parser


def chosen(name: str, split: str, every: int) -> list[Case]:
    """Every n-th case of each patient of a split."""
    table = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data" / name / "triplets.csv"
    found = cases(Tables(tables=(table,), val=split, functional=name == "aanlib2d"), "val")
    patients = sorted({case.patient for case in found})
    return [case for patient in patients for case in [c for c in found if c.patient == patient][::every]]


def measures(case: Case, scales: Sequence[int]) -> list[dict[str, float]]:
    """PSNR in dB of both against the truth at each scale."""
    sources = [cropped(load(path), 8) for path in case.sources]
    truth = fused("bitonicx", sources)
    found: list[dict[str, float]] = []
    for scale in scales:
        both = [augment.degraded(source, scale) for source in sources]
        ours = fused("tfs-diff", [small for small, _ in both], scale)
        plain = fused("bitonicx", [bicubic for _, bicubic in both])
        row = {"scale": scale, "tfs-diff": psnr_of(ours, truth), "bitonicx": psnr_of(plain, truth)}
        found.append({**row, "gain": row["tfs-diff"] - row["bitonicx"]})
        print(case.name, {key: round(value, 3) for key, value in found[-1].items()}, flush=True)
    return found


def fused(method: str, sources: Sequence[Pixels], scale: int = 1) -> Picture:
    """Bytes `(C, H, W)` fused, `(3, H, W)` in 0..1."""
    images = [Image(source.astype(np.float32) / np.float32(255)) for source in sources]
    pixels = fuse(images, method, scale=scale, colour="luma").image.pixels
    return np.broadcast_to(pixels, (3, *pixels.shape[1:])).astype(np.float32)


def psnr_of(estimate: Picture, truth: Picture) -> float:
    """PSNR in dB of pictures in 0..1."""
    return float(-10 * np.log10(max(float(np.square(estimate - truth, dtype=np.float64).mean()), 1e-12)))


def line(name: str, scale: int, rows: Sequence[dict[str, object]]) -> str:
    """Mean over patients with its interval, and the worst patient."""
    patients = sorted({str(row["patient"]) for row in rows})
    means = {p: float(np.mean([float(str(r["gain"])) for r in rows if r["patient"] == p])) for p in patients}
    values = np.array(list(means.values()))
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    worst = min(means, key=lambda patient: means[patient])
    return (
        f"{name} x{scale}: {values.mean():+.2f} dB ({low:+.2f} to {high:+.2f}) over {len(values)} patients, "
        f"{len(rows)} cases; worst {worst} {means[worst]:+.2f}"
    )
