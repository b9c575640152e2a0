"""How much of what bicubic loses is noise that nothing can bring back, and how much of the rest source-sr has.

    python -m benchmarks noise_floor [--sets lgg2d aanlib2d] [--scales 2 4 8]

The noise of a picture is the median of its mixed second differences inside the head (Immerkaer 1996), so that texture
counts as noise too and the floor is a little high. An estimate without that noise has the PSNR of the floor; the
reachable gain is the floor less bicubic. Validation people, one picture of each modality; reads TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.degradations import chosen
from trifuse import weights
from trifuse.diffusion import learned
from trifuse.nets.source_sr import SourceSR
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.single import cropped, enlarge
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.export import read

MEDIAN = 0.6745
"""Of the absolute value of a standard normal variable."""
TISSUE = 16
"""Grey level above which a picture shows the head."""


def main() -> None:
    """Prints one line per set, scale and modality."""
    parser = argparse.ArgumentParser(description="The floor that noise sets, and the share of the reachable gain.")
    parser.add_argument("--sets", nargs="*", default=["lgg2d", "aanlib2d"])
    parser.add_argument("--scales", nargs="*", type=int, default=[2, 4, 8])
    arguments = parser.parse_args()
    network = SourceSR.from_state(read(weights.path(learned.NAME))[0]).eval()
    for name in arguments.sets:
        grey = [picture for picture in chosen([name], "val") if picture.pixels.shape[0] == 1]
        for scale in arguments.scales:
            for kind in sorted({picture.kind for picture in grey}):
                sharp = [cropped(picture.pixels, scale) for picture in grey if picture.kind == kind]
                print(line(f"{name} {kind} x{scale}", [measured(network, each, scale) for each in sharp]), flush=True)


def measured(network: SourceSR, sharp: Pixels, scale: int) -> tuple[float, float, float, float]:
    """Noise in grey levels, and PSNR in dB of bicubic, of the network and of the floor."""
    rgb = augment.grey_to_rgb(sharp)
    small, bicubic = augment.degraded(rgb, scale)
    truth = tensor(rgb[None])
    ours = torch.from_numpy(enlarge(network, small, bicubic, 4))[None]
    sigma, share = noise(sharp[0].astype(np.float64))
    floor = -10 * np.log10(max(share * (sigma / 255) ** 2, 1e-9))
    return sigma, psnr(tensor(bicubic[None]), truth), psnr(ours, truth), float(floor)


def noise(plane: NDArray[np.float64]) -> tuple[float, float]:
    """Its deviation inside the head, and the share of the picture that the head is."""
    kernel = np.array([1.0, -2.0, 1.0])
    rows = sum(weight * plane[at : plane.shape[0] - 2 + at] for at, weight in enumerate(kernel))
    mixed = sum(weight * np.asarray(rows)[:, at : plane.shape[1] - 2 + at] for at, weight in enumerate(kernel))
    tissue = plane[1:-1, 1:-1] > TISSUE
    inside = np.abs(np.asarray(mixed)[tissue]) / 6
    return float(np.median(inside)) / MEDIAN if inside.size else 0.0, float(tissue.mean())


def line(label: str, rows: list[tuple[float, float, float, float]]) -> str:
    """Means, and the share of the reachable gain."""
    sigma, bicubic, ours, floor = np.mean(rows, axis=0)
    share = 100 * (ours - bicubic) / (floor - bicubic)
    return (
        f"{label}: noise {sigma:.2f} levels, bicubic {bicubic:.2f} dB, source-sr {ours - bicubic:+.2f}, "
        f"floor {floor - bicubic:+.2f}: {share:.0f} % of the reachable gain ({len(rows)} pictures)"
    )
