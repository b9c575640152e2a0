"""Is `brain-prior` a useful prior? Denoising over noise levels, and DDFM with it and without.

    python -m benchmarks prior --data ../shared/data/aanlib2d [--weights brain-prior] [--images 8] [--pairs 12]
        [--network DnCNN-S-25.pth]

Denoising: PSNR in dB, means over test slices, of the prior's one-step estimate, of our blind DnCNN, of any further
DnCNN that `--network` names (.pth, .npz or .safetensors; DnCNN-S-25 is the published one for noise 25), of non-local
means (scikit-image, given the noise) and of BM3D where the package `bm3d` is installed (given the noise).
Fusion: pairs of test patients, clean and with Gaussian noise of 20 added to both, against the clean ones. DDFM without
a prior is its likelihood alone, on the sources as they are.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from benchmarks.denoisers import psnr, test_images
from trifuse.core.random import Random
from trifuse.diffusion.prior import Prior, load_prior
from trifuse.diffusion.schedule import level_of_noise
from trifuse.methods import get
from trifuse.methods.base import Method
from trifuse.metrics.evaluate import evaluate
from trifuse.nets import dncnn

Array = NDArray[np.float64]
Denoise = Callable[[Array, float], Array]

NOISES = (5, 10, 25, 50, 100)
MEASURES = ("en", "sd", "mi", "vif", "qabf", "ssim", "ag", "scd")
DIRT = 20
"""Standard deviation, of 255, of the noise that is added to sources."""


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder aanlib2d, with manifest.csv beside it")
    parser.add_argument("--weights", default="brain-prior")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--network", type=Path, action="append", default=[], help="a DnCNN to compare, blind")
    given = parser.parse_args()
    if given.images:
        denoising(test_images(given.data, given.images), denoisers(load_prior(given.weights), given.network))
        print()
    fusion(pairs(given.data, given.pairs), given.weights)


def denoisers(prior: Prior, networks: Sequence[Path] = ()) -> dict[str, Denoise]:
    """What is compared: noisy image in 0..1 and noise of 255 -> image."""
    from skimage.restoration import denoise_nl_means

    found: dict[str, Denoise] = {
        "brain-prior": lambda noisy, noise: estimate(prior, noisy, noise),
        "dncnn-small": partial(_blind, dncnn.load()),
        "non-local means": lambda noisy, noise: np.asarray(
            denoise_nl_means(noisy, 5, 9, h=0.7 * noise / 255, sigma=noise / 255, fast_mode=True)
        ),
    }
    for path in networks:
        found[path.stem] = partial(_blind, dncnn.load(path))
    if find_spec("bm3d") is not None:
        from bm3d import bm3d  # type: ignore[import-not-found, unused-ignore]

        found["BM3D"] = lambda noisy, noise: np.asarray(bm3d(noisy, noise / 255))
    return found


def _blind(network: dncnn.DnCNN, noisy: Array, _noise: float) -> Array:
    return dncnn.denoise(network, noisy)


def estimate(prior: Prior, noisy: Array, noise: float) -> Array:
    """The prior's answer in one step."""
    level = float(level_of_noise(2 * noise / 255))
    x = torch.from_numpy(2 * noisy - 1).float()[None, None].expand(-1, prior.channels, -1, -1)
    with torch.inference_mode():
        said = prior(level * x, level)
    return np.asarray((said[0].mean(dim=0).double().numpy() + 1) / 2)


def denoising(images: list[Array], compared: dict[str, Denoise]) -> None:
    """PSNR over noises."""
    print("| noise | noisy | " + " | ".join(compared) + " |")
    print("|---|---|" + "---|" * len(compared))
    for noise in NOISES:
        rows = []
        for index, image in enumerate(images):
            noisy = image + noise / 255 * np.random.default_rng(index).standard_normal(image.shape)
            rows.append([psnr(noisy, image), *(psnr(step(noisy, noise), image) for step in compared.values())])
        print(f"| {noise} | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)) + " |", flush=True)


def pairs(folder: Path, count: int, split: str = "test") -> list[tuple[Array, Array]]:
    """Evenly chosen pairs of MRI and CT, PET or SPECT (luma) of a split's patients, 0..1."""
    with (folder / "pairs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and row["kind"] != "mr-mr"]
    chosen = [rows[k] for k in np.linspace(0, len(rows) - 1, count).astype(int)]
    return [(_luma(folder.parent / row["path_mri"]), _luma(folder.parent / row["path_other"])) for row in chosen]


def _luma(path: Path) -> Array:
    return np.asarray(Pillow.open(path).convert("RGB").convert("L"), dtype=np.float64) / 255


def fusion(chosen: list[tuple[Array, Array]], weights: str) -> None:
    """Metrics against the clean sources, with the prior and without."""
    ddfm = get("ddfm")
    without = ddfm(noise=0)  # type: ignore[call-arg]
    methods = {
        "mean": get("mean")(),
        "maximum": get("max")(),
        "Laplacian pyramid": get("laplacian")(),
        "ddfm without prior": without,
        "ddfm": ddfm(prior=weights),  # type: ignore[call-arg]
    }
    print("| sources | method | " + " | ".join(MEASURES) + " | PSNR to the fusion of the clean |")
    print("|---|---|" + "---|" * (len(MEASURES) + 1))
    for dirt in (0, DIRT):
        for name, method in methods.items():
            rows = []
            for index, pair in enumerate(chosen):
                random = np.random.default_rng(index)
                seen = [np.clip(x + dirt / 255 * random.standard_normal(x.shape), 0, 1) for x in pair]
                fused = fused_by(method, seen)
                measured = evaluate(255 * fused, [255 * x for x in pair], metrics=MEASURES)
                nearness = psnr(fused, fused_by(without, pair)) if "ddfm" in name and dirt else np.nan
                rows.append([*(measured[measure] for measure in MEASURES), nearness])
            values = " | ".join("" if np.isnan(value) else f"{value:.3f}" for value in np.mean(rows, axis=0))
            print(f"| {'clean' if dirt == 0 else f'noise {dirt}'} | {name} | {values} |", flush=True)


def fused_by(method: Method, pair: Sequence[Array]) -> Array:
    """The fused picture of grey ones, 0..1."""
    tensors = [torch.from_numpy(source).float()[None, None] for source in pair]
    with torch.inference_mode():
        fused = method.fuse(tensors, scale=1, random=Random()).picture
    return np.asarray(fused[0, 0].double().clamp(0, 1))


if __name__ == "__main__":
    main()
