"""Chooses the weights of PALM's corrected variant on the development data, and records what each choice gives.

    python scripts/search_palm.py --data ../shared/data/mri-us --denoiser small -o docs/palm-search.csv

Both data sets are measured against what the fused image is made from, the ultrasound and the super-resolved MRI
(cubic), with the table of DDFM-PALM (576 x 576 for data set 1, min-max stretched 8-bit images) and with
that of CDDFuse; data set 2 also against the clean ultrasound (PSNR of the unstretched x2). The rows of the two
reference variants come first. A choice is the better the more of the eight higher-is-better metrics per data set it
raises above the reference `py`, and among equals the larger the mean of their relative gains.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from trifuse.filters import palm, palm_corrected
from trifuse.filters.palm import Array, Pair, Weights
from trifuse.metrics import evaluate
from trifuse.nets import dncnn
from trifuse.resize import matlab

METRICS = ["en", "sd", "mi@palm", "vif", "ssim@palm", "sf", "scd", "qabf", "qabf@palm"]
JUDGED = METRICS[:-1]
"""The last one, the table's wrapped Sobel correlation, is noise; it is reported and not judged."""


def data_set(folder: Path, which: int) -> tuple[Array, Array, Array | None]:
    """MRI and ultrasound, and the clean ultrasound where it is known."""
    if which == 1:
        return matrix(folder / "data1" / "irm.mat"), matrix(folder / "data1" / "us.mat"), None
    names = ("IRM_observed", "US_observed", "US_GT")
    mri, us, clean = (matrix(folder / "data2" / f"{name}.mat") for name in names)
    return mri, us, clean


def matrix(path: Path) -> Array:
    """The one matrix of a MATLAB file."""
    values = [value for key, value in loadmat(path).items() if not key.startswith("__")]
    return np.asarray(values[0], dtype=np.float64)


def grey_levels(image: Array) -> Array:
    """8-bit levels of the image stretched from its minimum to its maximum."""
    return np.rint(255 * (image - image.min()) / max(float(np.ptp(image)), 1e-12))


def measure(pair: Pair, fused: Array, clean: Array | None) -> dict[str, float]:
    """All metrics of a fused image."""
    images = [fused, pair.yu, pair.enlarged(pair.ym)]
    if fused.shape == (600, 600):
        images = [matlab(image, size=(576, 576), antialias=False) for image in images]
    stretched, us, mri = (grey_levels(image) for image in images)
    scores: dict[str, float] = evaluate.evaluate(stretched, [us, mri], metrics=METRICS)
    if clean is not None:
        error = np.mean((fused - clean / pair.us_top) ** 2)
        scores["psnr_clean"] = float(10 * np.log10((clean.max() / pair.us_top) ** 2 / error))
    return scores


def references(pair: Pair, denoised: Array) -> Iterator[tuple[str, Array]]:
    """The two reference variants, fitted as their programs do (on maxima where the grids are equal)."""
    normalisation = "max" if pair.ratio == 1 else "norm"
    for name, variant in (("py", palm.PY), ("ml", palm.ML)):
        edged = Pair(pair.mri, pair.us, variant.border)
        yield name, palm.solve(edged, denoised, variant, normalisation=normalisation).fused


def choices() -> Iterator[Weights]:
    """The grid of the search."""
    for tau1, tau3, tau4 in itertools.product((0.01, 0.1), (0.0, 0.1, 0.5), (0.25, 0.5, 1.0, 2.0, 4.0)):
        yield Weights(tau1=tau1, tau2=1.0, tau3=tau3, tau4=tau4, gamma=1.0)


def search(pair: Pair, clean: Array | None, denoised: Array, share: float) -> Iterator[dict[str, Any]]:
    """One row per variant and choice of weights."""
    for name, fused in references(pair, denoised):
        yield {"variant": name} | measure(pair, fused, clean)
    start = share * denoised + (1 - share) * pair.yu
    for weights in choices():
        fused = palm_corrected.solve(pair, start, weights, iterations=15, tolerance=1e-3).fused
        taus = {"tau1": weights.tau1, "tau3": weights.tau3, "tau4": weights.tau4}
        yield {"variant": "corrected", "denoised": share} | taus | measure(pair, fused, clean)


def main() -> None:
    """Runs the search on data sets 1 and 2."""
    parser = argparse.ArgumentParser(description="Searches the weights of PALM's corrected variant.")
    parser.add_argument("--data", type=Path, required=True, help="folder mri-us")
    parser.add_argument("--denoiser", default="small", help="small, or the path of a DnCNN")
    parser.add_argument("--share", type=float, default=1.0, help="share of the denoised image in the start")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    network = dncnn.load(dncnn.SMALL if arguments.denoiser == "small" else arguments.denoiser)
    names = ["data", "variant", "denoised", "tau1", "tau3", "tau4", *METRICS, "psnr_clean"]
    with arguments.out.open("w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for which in (1, 2):
            mri, us, clean = data_set(arguments.data, which)
            pair = Pair(mri, us)
            for row in search(pair, clean, dncnn.denoise(network, pair.yu), arguments.share):
                rounded = {key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()}
                table.writerow({"data": which} | rounded)
                file.flush()


if __name__ == "__main__":
    main()
