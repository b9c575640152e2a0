"""DC2Fusion beside the slice-wise methods on held-out volumes, with the measures of its paper in 3D.

    python -m benchmarks dc2fusion_quality [--methods max mean ...] [--pairs sts-003 ...] [--weights FILE]

Prints, for each pair and over all, PSNR in dB and SSIM (11x11x11) with each source and their means, and NMI (100 bins,
mean of the sources). Volumes lie on the first one's grid and are cut to where both show something. Reads the volumes
from the folder in TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trifuse.core.image import Image
from trifuse.fusion import fuse
from trifuse.metrics.evaluate import evaluate
from trifuse.train.data.tensors import psnr
from trifuse.train.data.volumes import read
from trifuse.train.losses.dc2fusion import similarities

PAIRS = {
    "sts-012": ("sts/sts-012/t1.nii.gz", "sts/sts-012/pet.nii.gz"),
    "sts-041": ("sts/sts-041/t1.nii.gz", "sts/sts-041/pet.nii.gz"),
    "sts-003": ("sts/sts-003/t1.nii.gz", "sts/sts-003/pet.nii.gz"),
    "sts-025": ("sts/sts-025/t1.nii.gz", "sts/sts-025/pet.nii.gz"),
    "spm t1-pet": ("mni-2mm/spm_t1.nii", "mni-2mm/spm_pet.nii"),
    "t1-5HT2a": ("mni-2mm/avg152t1.nii", "mni-receptors/5HT2a_alt_hc19_savli.nii"),
    "t1-FDOPA": ("mni-2mm/avg152t1.nii", "mni-receptors/FDOPA_fluorodopa_hc12_gomez.nii"),
}
"""The first two are validation patients, the others test."""
VALIDATION = ("sts-012", "sts-041")
METHODS = ("max", "mean", "laplacian", "dwt", "guided-filter", "bitonicx", "dc2fusion")
BLENDS = {"0.7 of the first": 0.7, "0.9 of the first": 0.9}
COLUMNS = ("psnr 1", "psnr 2", "psnr", "ssim 1", "ssim 2", "ssim", "nmi")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="DC2Fusion beside slice-wise methods.")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--pairs", nargs="*", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--weights", help="weights of dc2fusion other than the shipped ones")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data" / "volumes"
    rows: dict[str, dict[str, list[float]]] = {}
    for name in arguments.pairs:
        pair = read((folder / PAIRS[name][0], folder / PAIRS[name][1]))[:, 0]
        print(f"\n{name}, {' x '.join(map(str, pair.shape[2:]))}\n{heading()}")
        candidates = {method: volume(method, pair, arguments.weights) for method in arguments.methods}
        candidates |= {blend: share * pair[0] + (1 - share) * pair[1] for blend, share in BLENDS.items()}
        for method, fused in candidates.items():
            rows.setdefault(method, {})[name] = measured(fused[None], pair[:, None])
            print(line(method, rows[method][name]), flush=True)
    tests = [name for name in arguments.pairs if name not in VALIDATION]
    if tests:
        print(f"\nmean of the {len(tests)} test pairs\n{heading()}")
        for method, found in rows.items():
            print(line(method, np.mean([found[name] for name in tests], axis=0).tolist()))


def volume(method: str, pair: Tensor, weights: str | None) -> Tensor:
    """The fused volume `(1, D, H, W)`."""
    options = {"weights": weights} if weights and method == "dc2fusion" else {}
    fused = fuse([Image(source.numpy()) for source in pair], method, options=options)
    return torch.from_numpy(fused.image.pixels)


def measured(fused: Tensor, pair: Tensor) -> list[float]:
    """The columns of one volume `(1, 1, D, H, W)`."""
    ratios = [psnr(fused, source) for source in pair]
    ssims = [float(value) for value in similarities(fused, list(pair))]
    levels = [volume[0, 0].numpy().astype(np.float64) * 255 for volume in (fused, *pair)]
    nmi = evaluate(levels[0], levels[1:], metrics="q_mi@dc2")["q_mi@dc2"]
    return [*ratios, sum(ratios) / 2, *ssims, sum(ssims) / 2, nmi]


def heading() -> str:
    """Names of the columns."""
    return f"{'':18}" + "".join(f"{name:>8}" for name in COLUMNS)


def line(method: str, values: list[float]) -> str:
    """A row: decibels with two digits, shares with three."""
    digits = (2, 2, 2, 3, 3, 3, 3)
    return f"{method:18}" + "".join(f"{value:8.{n}f}" for value, n in zip(values, digits, strict=True))


if __name__ == "__main__":
    main()
