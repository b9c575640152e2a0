"""Denoising PSNR of DnCNN checkpoints over noise levels, on real images that none of ours was trained on.

    python -m benchmarks.denoisers --data ../shared/data/aanlib2d [--network DnCNN.pth] [--images 12]

Noise: white Gaussian, log-Rayleigh (its mean taken off) and multiplicative speckle, seeded; images of the test
split, grey or luma. Values are means over images of the PSNR in dB of the image clipped to 0..1.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.nets import dncnn

Array = NDArray[np.float64]

NOISES = {"gaussian": (5, 15, 25, 40), "log_rayleigh": (15, 30), "speckle": (25, 60)}
"""Kind -> standard deviations on the scale 0..255 (speckle: of the factor, as if on white)."""


def main() -> None:
    """Prints one table row per kind and level of noise."""
    parser = argparse.ArgumentParser(description="Denoising PSNR over noise levels.")
    parser.add_argument("--data", type=Path, required=True, help="folder aanlib2d, with manifest.csv beside it")
    parser.add_argument("--network", type=Path, action="append", default=[], help="another checkpoint to compare")
    parser.add_argument("--images", type=int, default=12)
    arguments = parser.parse_args()
    networks = {"small (ours)": dncnn.load()} | {path.stem: dncnn.load(path) for path in arguments.network}
    images = test_images(arguments.data, arguments.images)
    print("| noise | level | noisy | " + " | ".join(networks) + " |")
    print("|---|---|---|" + "---|" * len(networks))
    for kind, levels in NOISES.items():
        for level in levels:
            rows = [compared(image, kind, level / 255, list(networks.values()), k) for k, image in enumerate(images)]
            values = " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0))
            print(f"| {kind} | {level} | {values} |", flush=True)


def test_images(folder: Path, count: int) -> list[Array]:
    """Evenly chosen lossless images of the test split, 0..1."""
    with (folder.parent / "manifest.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["set"] == "aanlib2d" and r["split"] == "test"]
    paths = [folder.parent / row["path"] for row in rows if row["lossy_file"] == "no"]
    chosen = [paths[k] for k in np.linspace(0, len(paths) - 1, count).astype(int)]
    return [np.asarray(Pillow.open(path).convert("RGB").convert("L"), dtype=np.float64) / 255 for path in chosen]


def compared(image: Array, kind: str, level: float, networks: list[dncnn.DnCNN], seed: int) -> list[float]:
    """PSNR of the noisy image and of each network's."""
    rng = np.random.default_rng(seed)
    if kind == "log_rayleigh":
        noise = np.log(rng.rayleigh(size=image.shape) + 1e-6) - (np.log(2) - np.euler_gamma) / 2
        noise /= np.pi / np.sqrt(24)
    else:
        noise = rng.standard_normal(image.shape)
    noisy = image + level * noise * (image if kind == "speckle" else 1)
    return [psnr(noisy, image), *(psnr(dncnn.denoise(network, noisy), image) for network in networks)]


def psnr(x: Array, clean: Array) -> float:
    """Peak signal-to-noise ratio in dB, peak 1."""
    return float(-10 * np.log10(np.mean((np.clip(x, 0, 1) - clean) ** 2)))


if __name__ == "__main__":
    main()
