"""Trains the small DnCNN that ships as `trifuse/weights/shipped/dncnn-small.safetensors`.

    python scripts/train_denoiser.py --data ../shared/data/aanlib2d --run runs/denoiser

Brain images of the train split only (patients listed as such in `manifest.csv`), random crops, flips, contrast;
noise of random kind and level: white Gaussian, log-Rayleigh (the noise of log-compressed ultrasound), multiplicative
speckle, each white or with the short correlation of a scanner's point spread. Every step draws from a generator
seeded by (seed, step), so that a run that was cut off goes on from its checkpoint as if nothing had happened.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from trifuse.nets.dncnn import DnCNN


@dataclass(frozen=True)
class Recipe:
    """All numbers of the training; sizes in pixels, noise on the display scale 0..1."""

    depth: int = 9
    features: int = 32
    steps: int = 5500
    batch: int = 24
    patch: int = 40
    rate: float = 2e-3
    seed: int = 0
    gaussian: float = 50 / 255
    log_rayleigh: float = 0.25
    speckle: float = 0.4
    correlated: float = 0.2


def training_images(folder: Path) -> list[NDArray[np.float32]]:
    """The grey images and the lumas of the coloured ones of the train split, 0..1, lossless files only."""
    with (folder.parent / "manifest.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["set"] == "aanlib2d" and r["split"] == "train"]
    images: list[NDArray[np.float32]] = []
    for row in rows:
        if row["lossy_file"] == "no":
            with Pillow.open(folder.parent / row["path"]) as picture:
                images.append(np.asarray(picture.convert("RGB").convert("L"), dtype=np.float32) / np.float32(255))
    return images


def crop(images: list[NDArray[np.float32]], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random patch with some structure in it, turned, mirrored, with its contrast and offset changed."""
    for _ in range(8):
        image = images[rng.integers(len(images))]
        row, column = (rng.integers(n - recipe.patch + 1) for n in image.shape)
        patch = image[row : row + recipe.patch, column : column + recipe.patch]
        if patch.std() > 0.02:
            break
    patch = np.rot90(patch, int(rng.integers(4)))
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    contrast = rng.uniform(0.4, 1.0)
    patch = patch * contrast + rng.uniform(0, 1 - contrast)
    changed: NDArray[np.float32] = (1 - patch if rng.random() < 0.25 else patch).astype(np.float32)
    return changed


def noisy(clean: NDArray[np.float32], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """The patch with noise of a random kind, level and correlation; the mean of the noise is 0."""
    kind = rng.choice(["gaussian", "log_rayleigh", "speckle"], p=[0.5, 0.25, 0.25])
    if kind == "log_rayleigh":
        noise = np.log(rng.rayleigh(size=clean.shape) + 1e-6)
        noise -= (np.log(2) - np.euler_gamma) / 2
    else:
        noise = rng.standard_normal(clean.shape)
    if rng.random() < recipe.correlated:
        spread = noise.std()
        noise = gaussian_filter(noise, rng.uniform(0.4, 1.0), mode="wrap")
        noise *= spread / noise.std()
    level = rng.uniform(0, getattr(recipe, kind))
    made: NDArray[np.float32] = (clean + level * noise * (clean if kind == "speckle" else 1)).astype(np.float32)
    return made


def batch(images: list[NDArray[np.float32]], recipe: Recipe, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy and clean patches `(batch, 1, patch, patch)` of one step."""
    rng = np.random.default_rng((recipe.seed, step))
    clean = np.stack([crop(images, recipe, rng) for _ in range(recipe.batch)])
    return (
        torch.from_numpy(np.stack([noisy(patch, recipe, rng) for patch in clean]))[:, None],
        torch.from_numpy(clean)[:, None],
    )


def train(images: list[NDArray[np.float32]], recipe: Recipe, run: Path) -> DnCNN:
    """Trains, or goes on from `run/last.pt`; one line of `run/log.csv` per 100 steps (step, PSNR in dB, seconds)."""
    torch.manual_seed(recipe.seed)
    network = DnCNN(recipe.depth, recipe.features).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # three times faster on a CPU at 32 features
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.1)
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    first, last = 0, run / "last.pt"
    if last.is_file():
        state = torch.load(last, weights_only=True)
        first = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    clock, errors = time.perf_counter(), []
    for step in range(first, recipe.steps):
        dirty, clean = batch(images, recipe, step)
        error = torch.nn.functional.mse_loss(network(dirty), clean)
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        errors.append(float(error.detach()))
        if (step + 1) % 100 == 0 or step + 1 == recipe.steps:
            with (run / "log.csv").open("a") as log:
                psnr = -10 * np.log10(np.mean(errors))
                log.write(f"{step + 1},{psnr:.3f},{time.perf_counter() - clock:.0f}\n")
            errors = []
            kept = {name: part.state_dict() for name, part in parts.items()}
            torch.save({"step": step + 1, **kept}, last.with_suffix(".new"))
            last.with_suffix(".new").replace(last)
    network.eval()
    return network


def main() -> None:
    """Reads the images, trains, writes the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder aanlib2d, with manifest.csv beside it")
    parser.add_argument("--run", type=Path, default=Path("runs/denoiser"), help="checkpoint and log")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.run.mkdir(parents=True, exist_ok=True)
    network = train(training_images(arguments.data), Recipe(steps=arguments.steps), arguments.run)
    state = {k: v.contiguous() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(state, arguments.run / "dncnn-small.safetensors")


if __name__ == "__main__":
    main()
