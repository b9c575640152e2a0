"""Tests the claim of the DDFM-PALM README on every MRI-ultrasound set: better MI, VIF and SSIM than PALM?

    python scripts/compare_ddfm_palm.py --data ../shared/data/mri-us --prior brain-prior -o docs/ddfm-palm.csv

The sets are the authors' arrays (.mat; one 8-bit picture of set 2 lacks a column): 1, a phantom; 2, synthetic
observations; 2 clean, the images they were made from. MI (20 bins), VIF and SSIM as in the README's table, and Qabf,
between the fused image and what it is made from, ultrasound and cubic super-resolved MRI, all stretched to 8 bits; PSNR
against the clean ultrasound, where it is known.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat

from trifuse.core.random import Random
from trifuse.filters.palm import Array, Pair
from trifuse.methods import get
from trifuse.methods.base import Method, configure
from trifuse.metrics import evaluate

METRICS = ["en", "sd", "mi@palm", "vif", "ssim@palm", "qabf"]
SETS = {
    "2": ("data2/IRM_observed", "data2/US_observed", "data2/US_GT"),
    "1": ("data1/irm", "data1/us", None),
    "2 clean": ("data2/IRM_GT", "data2/US_GT", "data2/US_GT"),
}


def matrix(path: Path) -> Array:
    """The one matrix of a MATLAB file."""
    values = [value for key, value in loadmat(path).items() if not key.startswith("__")]
    return np.asarray(values[0], dtype=np.float64)


def rows(prior: str) -> Iterator[tuple[str, Method]]:
    """What is compared."""
    yield "PALM", configure(get("palm"), {})
    for trust in (1, 0, 2):
        yield f"DDFM-PALM trust {trust}", configure(get("ddfm-palm"), {"prior": prior, "trust": trust})
    yield "DDFM", configure(get("ddfm"), {"prior": prior})
    yield "PALM py", configure(get("palm"), {"variant": "py"})


def middle(image: Array, side: int | None) -> Array:
    """The middle square of that side, or the whole image."""
    if side is None:
        return image
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


def unit(image: Array) -> Array:
    """From the least to the most as 0..1."""
    scaled: Array = (image - image.min()) / np.ptp(image)
    return scaled


def fused_by(method: Method, mri: Array, us: Array) -> Array:
    """The result on the ultrasound's grid; methods for one grid get the super-resolved MRI."""
    if not method.card.native_grids:
        mri = Pair(mri, us).enlarged(mri)
        mri, us = unit(mri), unit(us)
    sources = [torch.from_numpy(image)[None, None] for image in (mri, us)]
    with torch.inference_mode():
        result = method.fuse(sources, scale=1, random=Random(0)).picture
    fused: Array = result[0, 0].double().numpy()
    return fused


def main() -> None:
    """Writes one row per set and method."""
    parser = argparse.ArgumentParser(description="Compares DDFM-PALM with PALM and DDFM.")
    parser.add_argument("--data", type=Path, required=True, help="folder mri-us")
    parser.add_argument("--prior", default="brain-prior", help="weights in the catalogue, or a file")
    parser.add_argument("--middle", type=int, help="only the middle square of about that side in ultrasound pixels")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    with arguments.out.open("w", newline="") as file:
        table = csv.DictWriter(file, ["set", "method", *METRICS, "psnr"], lineterminator="\n")
        table.writeheader()
        for name, (mri_file, us_file, clean_file) in SETS.items():
            mri, us = (matrix(arguments.data / f"{path}.mat") for path in (mri_file, us_file))
            coarse = arguments.middle and arguments.middle * len(mri) // len(us)
            fine = coarse and coarse * (len(us) // len(mri))
            mri, us = middle(mri, coarse), middle(us, fine)
            sources = [np.rint(255 * unit(image)) for image in (us, Pair(mri, us).enlarged(mri))]
            for label, method in rows(arguments.prior):
                fused = fused_by(method, mri, us)
                scores = evaluate.evaluate(np.rint(255 * unit(fused)), sources, metrics=METRICS)
                if clean_file and label != "DDFM":
                    clean = middle(matrix(arguments.data / f"{clean_file}.mat"), fine)
                    scores["psnr"] = float(20 * np.log10(clean.max()) - 10 * np.log10(np.mean((fused - clean) ** 2)))
                table.writerow({"set": name, "method": label} | {key: round(v, 4) for key, v in scores.items()})
                file.flush()


if __name__ == "__main__":
    main()
