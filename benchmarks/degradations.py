"""What source-sr gains over Pillow's bicubic on single pictures made small in different ways, validation people.

    python -m benchmarks degradations [--scales 2 4 8] [--sets aanlib2d lgg2d] [--split val] [--one]

For every way and scale: the mean gain in PSNR (dB) with `degradation` auto, the worst person's, how often the judge
took the picture for bicubic, and the gains if all were taken for bicubic, or for others. One picture of each modality
of a patient, or with `--one` of each patient one, the modalities in turn. Reads the folder in TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from trifuse import weights
from trifuse.diffusion import learned
from trifuse.nets.degradation_judge import DegradationJudge
from trifuse.nets.source_sr import SourceSR
from trifuse.train.data import augment, degradations
from trifuse.train.data.augment import Pixels
from trifuse.train.data.degradations import Levels
from trifuse.train.data.images import Picture
from trifuse.train.data.single import cropped, enlarge, single
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.export import read
from trifuse.train.settings.data import Tables

Made = Callable[[Pixels, int, np.random.Generator], Levels]


class Gains(NamedTuple):
    """Gains over bicubic of one picture in dB, and what the judge took it for."""

    patient: str
    bicubic: float
    other: float
    judged: bool

    @property
    def auto(self) -> float:
        """The gain of the way that the judge chose."""
        return self.bicubic if self.judged else self.other


def rounded(shrink: str, noise: str | None = None, sigma: float = 0.0, quality: int = 0) -> Made:
    """A way with noise, or through JPEG, rounded to bytes."""

    def made(pixels: Pixels, scale: int, random: np.random.Generator) -> Levels:
        small = degradations.SHRINKS[shrink](pixels.astype(np.float32), scale, random)
        if noise is not None:
            add = degradations.gaussian_noise if noise == "gaussian" else degradations.rician_noise
            small = add(small, sigma, random)
        return degradations.jpeg(small, quality) if quality else np.rint(small.clip(0, 255))

    return made


WAYS: dict[str, Made] = {
    "Pillow's bicubic": lambda pixels, scale, random: augment.degraded(pixels, scale)[0],
    "the same, not rounded": lambda pixels, scale, random: degradations.bicubic(
        pixels.astype(np.float32), scale, random
    ).clip(0, 255),
    **{name: rounded(name) for name in degradations.SHRINKS if name != "bicubic"},
    "Gaussian noise 3": rounded("bicubic", "gaussian", 3),
    "Rician noise 3": rounded("bicubic", "rician", 3),
    "area, Gaussian noise 8": rounded("area", "gaussian", 8),
    "JPEG 75": rounded("bicubic", quality=75),
}
"""The rows of the table."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Gains of source-sr over bicubic, by how pictures were made small.")
    parser.add_argument("--scales", nargs="*", type=int, default=[2, 4, 8])
    parser.add_argument("--sets", nargs="*", default=["aanlib2d", "lgg2d"])
    parser.add_argument("--split", default="val", choices=("val", "test"))
    parser.add_argument("--one", action="store_true", help="one picture of each patient, the modalities in turn")
    arguments = parser.parse_args()
    network = SourceSR.from_state(read(weights.path(learned.NAME))[0]).eval()
    judge = DegradationJudge.from_state(read(weights.path(learned.JUDGE))[0]).eval()
    pictures = chosen(arguments.sets, arguments.split)
    if arguments.one:
        pictures = in_turn(pictures)
    print(f"{len(pictures)} pictures of {len({p.patient for p in pictures})} patients")
    for way, made in WAYS.items():
        for scale in arguments.scales:
            found = [gains(network, judge, picture, scale, made) for picture in pictures]
            print(f"{way}, x{scale}: {line(found)}", flush=True)


def chosen(sets: list[str], split: str) -> list[Picture]:
    """The middle picture of every patient and modality."""
    folder = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data"
    data = Tables(tables=tuple(folder / name / "triplets.csv" for name in sets), val=split)
    groups: dict[tuple[str, str], list[Picture]] = {}
    for picture in single(data, "val"):
        groups.setdefault((picture.patient, picture.kind), []).append(picture)
    return [members[len(members) // 2] for members in groups.values()]


def in_turn(pictures: list[Picture]) -> list[Picture]:
    """One picture of each patient, the modalities in turn."""
    patients = list(dict.fromkeys(picture.patient for picture in pictures))
    members = [[picture for picture in pictures if picture.patient == patient] for patient in patients]
    return [own[at % len(own)] for at, own in enumerate(members)]


def gains(network: SourceSR, judge: DegradationJudge, picture: Picture, scale: int, made: Made) -> Gains:
    """One picture made small in a way, and enlarged in both."""
    sharp = cropped(augment.grey_to_rgb(picture.pixels), scale)
    small = made(sharp, scale, np.random.default_rng(0))
    bicubic = degradations.enlarged(small, sharp.shape[1:])
    truth = tensor(sharp[None])
    plain = psnr(tensor(bicubic[None]), truth)
    both = [
        psnr(torch.from_numpy(enlarge(network, small, bicubic, exact=way))[None], truth) - plain
        for way in (True, False)
    ]
    return Gains(picture.patient, both[0], both[1], judge.is_bicubic(tensor(small[None]), scale))


def line(found: list[Gains]) -> str:
    """Means over patients, and the worst patient."""
    patients = sorted({each.patient for each in found})

    def means(of: Callable[[Gains], float]) -> list[float]:
        return [float(np.mean([of(each) for each in found if each.patient == patient])) for patient in patients]

    auto = means(lambda each: each.auto)
    always = [float(np.mean(means(of))) for of in (lambda each: each.bicubic, lambda each: each.other)]
    taken = 100 * np.mean([each.judged for each in found])
    return (
        f"{np.mean(auto):+.2f} dB (worst patient {min(auto):+.2f}), {taken:.0f} % taken for bicubic; "
        f"all as bicubic {always[0]:+.2f}, all as others {always[1]:+.2f}"
    )
