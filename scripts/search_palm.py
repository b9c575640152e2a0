"""Chooses the weights of PALM's corrected variant on the development data, and records what each choice gives.

    python scripts/search_palm.py --data ../shared/data/mri-us --published net.pth -o docs/palm-search.csv

Both data sets are measured against what the fused image is made from, the ultrasound and the super-resolved MRI
(cubic), all stretched to 8 bits: EN, SD, MI (20 bins), VIF and SSIM as in the table of DDFM-PALM (which is taken at
576 x 576), SF, SCD and Qabf as in that of CDDFuse; data set 2 also against the clean ultrasound (PSNR of x2 as it is).
The rows of the two reference variants come first, with the published denoiser and with ours. The choice is the one
that beats `py` with the published denoiser in most of the metrics of both data sets, and among equals the one of
largest mean logarithmic gain (SCD, which has both signs: the difference).
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.io import loadmat

from trifuse.core.resize import matlab
from trifuse.filters import palm, palm_corrected
from trifuse.filters.palm import Array, Pair, Weights
from trifuse.metrics import evaluate
from trifuse.nets import dncnn

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
    levels: Array = np.rint(255 * (image - image.min()) / max(float(np.ptp(image)), 1e-12))
    return levels


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
    normalisation: Literal["max", "norm"] = "max" if pair.ratio == 1 else "norm"
    for name, variant in (("py", palm.PY), ("ml", palm.ML)):
        edged = Pair(pair.mri, pair.us, variant.border)
        yield name, palm.solve(edged, denoised, variant, normalisation=normalisation).fused


def choices() -> Iterator[tuple[float, Weights]]:
    """The grid of the search: share of the denoised image in y2, and weights."""
    for share, tau1, tau3, tau4 in itertools.product((0.3, 0.6), (1.0, 3.0), (1.0, 3.0), (1.5, 2.5)):
        yield share, Weights(tau1=tau1, tau2=1.0, tau3=tau3, tau4=tau4, gamma=1.0)


def search(pair: Pair, clean: Array | None, networks: dict[str, dncnn.DnCNN]) -> Iterator[dict[str, Any]]:
    """One row per variant and choice of weights."""
    denoised = {name: dncnn.denoise(network, pair.yu) for name, network in networks.items()}
    for denoiser, start in denoised.items():
        for name, fused in references(pair, start):
            yield {"variant": name, "denoiser": denoiser} | measure(pair, fused, clean)
    for share, weights in choices():
        start = share * denoised["small"] + (1 - share) * pair.yu
        fused = palm_corrected.solve(pair, start, weights, iterations=10, tolerance=1e-3).fused
        taus = {"tau1": weights.tau1, "tau3": weights.tau3, "tau4": weights.tau4}
        yield {"variant": "corrected", "denoiser": "small", "share": share} | taus | measure(pair, fused, clean)


def best(rows: list[dict[str, Any]]) -> tuple[float, ...]:
    """Share and weights of the choice."""
    keys = ("share", "tau1", "tau3", "tau4")
    judged: dict[tuple[float, ...], list[tuple[bool, float]]] = {}
    for data in (1, 2):
        here = [row for row in rows if row["data"] == data]
        reference = here[0]
        for row in here:
            if row["variant"] == "corrected":
                gains = [
                    (row[name] > reference[name], row[name] - reference[name])
                    if name == "scd"
                    else (row[name] > reference[name], float(np.log(row[name] / reference[name])))
                    for name in JUDGED
                ]
                judged.setdefault(tuple(row[key] for key in keys), []).extend(gains)
    return max(judged, key=lambda k: (sum(won for won, _ in judged[k]), np.mean([gain for _, gain in judged[k]])))


def main() -> None:
    """Runs the search on data sets 1 and 2."""
    parser = argparse.ArgumentParser(description="Searches the weights of PALM's corrected variant.")
    parser.add_argument("--data", type=Path, required=True, help="folder mri-us")
    parser.add_argument("--published", type=Path, required=True, help="checkpoint of DnCNN-S-25, for the references")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    networks = {"published": dncnn.load(arguments.published), "small": dncnn.load()}
    names = ["data", "variant", "denoiser", "share", "tau1", "tau3", "tau4", *METRICS, "psnr_clean"]
    rows = []
    with arguments.out.open("w", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        for which in (1, 2):
            mri, us, clean = data_set(arguments.data, which)
            for row in search(Pair(mri, us), clean, networks):
                rows.append({"data": which} | row)
                table.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()})
                file.flush()
    print("share, tau1, tau3, tau4 =", best(rows))


if __name__ == "__main__":
    main()
