"""DC2Fusion: random cubes of volumes of one patient, fused to be like both."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse import samples
from trifuse.core.errors import InputError
from trifuse.core.image import Modality
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import volume_pairs
from trifuse.train.data.drawn import note
from trifuse.train.data.tensors import psnr
from trifuse.train.data.volumes import Pair, cut, displaced, middle, read, recontrasted
from trifuse.train.draw import Draw
from trifuse.train.losses import contrast
from trifuse.train.losses import dc2fusion as losses
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.settings.data import Studies, Tables
from trifuse.train.settings.part import Part


class Settings(Part):
    """Settings of the objective `dc2fusion`.

    Fusion of two volumes in 3D, without a truth: the loss compares the fused volume with both sources.

    Attributes:
        width, depths, kernel, drop: the network's shape.
        loss: "paper": local correlation, similarity and absolute difference with both sources; "balanced": the same
            correlation and similarity with both sources, and squared instead of absolute differences, ten times as
            heavy, with the weights 2 and 1; "contrast": the second source is shown where it stands out from its
            surroundings and the first one does not (`trifuse.train.losses.contrast`).
        alpha, beta, gamma: "paper": weights of correlation, similarity and difference with the first and the second
            source, the six options of the authors' program.
        deformation: largest displacement in voxels of the second volume against the first, smooth over the patch.
        sample: share of patches from the package's own sample study (T1 or T2 with PET); the others from the data.
        val_side: largest side of the middle part of validation volumes that is measured during training.
    """

    task: Literal["dc2fusion"] = "dc2fusion"
    width: int = Field(default=24, ge=8)
    depths: tuple[int, ...] = (2, 2)
    kernel: int = Field(default=3, ge=1)
    drop: float = Field(default=0.0, ge=0, lt=1)
    loss: Literal["paper", "balanced", "contrast"] = "balanced"
    alpha: tuple[float, float] = (2.0, 1.0)
    beta: tuple[float, float] = (2.0, 1.0)
    gamma: tuple[float, float] = (2.0, 1.0)
    deformation: float = Field(default=1.0, ge=0)
    sample: float = Field(default=0.25, ge=0, le=1)
    val_side: int = Field(default=64, ge=16)


class DC2FusionObjective(Objective[Settings]):
    """Fusion of volumes; see `Objective`.

    Raises:
        InputError: if the data of the recipe are no studies or tables of volumes, or a volume is missing.
    """

    Settings = Settings

    @property
    def patches(self) -> Patches:
        """See `Objective`; the surroundings of the loss "contrast" need room."""
        return Patches(least=contrast.SMALLEST if self.settings.loss == "contrast" else 11)

    def check(self) -> None:
        """See `Objective`."""
        unused = {"alpha", "beta", "gamma"} & self.settings.model_fields_set
        if unused and self.settings.loss != "paper":
            raise InputError(f"field model.{min(unused)}: not used with loss {self.settings.loss}; leave it out")
        self.train, self.val = self._pairs("train"), self._pairs("val")

    def _pairs(self, phase: Literal["train", "val"]) -> list[Pair]:
        if not isinstance(self.run.data, Studies | Tables):
            raise InputError("field data: dc2fusion learns from volumes; give data of kind studies or tables")
        return volume_pairs(self.run.data, phase)

    def build(self) -> nn.Module:
        """See `Objective`."""
        shape = self.settings
        return DC2FusionCorrected(shape.width, shape.depths, shape.kernel, shape.drop)

    @cached_property
    def held_out(self) -> list[Tensor]:
        """The middle part `(2, 1, 1, D, H, W)` of each validation pair."""
        return [middle(read(pair), self.settings.val_side) for pair in self.val]

    def batch(self, draw: Draw) -> Batch:
        """Cubes of the first and of the second volume, augmented."""
        cubes = torch.stack([self._cube(draw.numpy) for _ in range(self.run.schedule.batch)], dim=1)
        return {"first": cubes[0], "second": cubes[1]}

    def _cube(self, random: np.random.Generator) -> Tensor:
        """`(2, 1, side, side, side)`: other contrasts, mirrored, the second volume a little displaced."""
        if random.random() < self.settings.sample:
            study = samples.study()
            anatomy = (Modality.T1, Modality.T2)[int(random.integers(2))]
            pair = study[anatomy], study[Modality.PET]
        else:
            pair = self.train[int(random.integers(len(self.train)))]
            note(f"{pair[0]}, {pair[1].name}")
        cube = cut(read(pair), self.side, random)
        cube = torch.stack([recontrasted(volume, random) for volume in cube])
        cube[1] = displaced(cube[1], self.settings.deformation, random)
        return cube.flip([axis for axis in (2, 3, 4) if random.random() < 0.5])

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss that the settings name, and the parts of the paper's for the log."""
        sources = [batch["first"], batch["second"]]
        volume = fused(network, *sources)
        terms = losses.terms(volume, sources)
        squares = [(volume - source).square().mean() for source in sources]
        parts = {
            f"{name}_{number}": value.detach()
            for name, values in terms._asdict().items()
            for number, value in enumerate(values, start=1)
        }
        chosen, weights = self.settings.loss, self.settings
        if chosen == "contrast":
            return {"loss": contrast.loss(volume, *sources), **parts}
        paper = chosen == "paper"
        total = terms.total(weights.alpha, weights.beta, weights.gamma) if paper else terms.balanced(squares)
        return {"loss": total, **parts}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PSNR in dB and SSIM with each source, means over the validation pairs."""
        rows: list[list[float]] = []
        for first, second in self.held_out:
            with torch.inference_mode():
                volume = fused(network, first, second)
                ssims = losses.similarities(volume, [first, second])
            rows.append([psnr(volume, first), psnr(volume, second), *map(float, ssims)])
        names = ("psnr 1", "psnr 2", "ssim 1", "ssim 2")
        return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True)) if rows else {}

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Middle slices of the validation pairs: first, second, fused."""
        rows = []
        for first, second in self.held_out:
            with torch.inference_mode():
                volumes = [first, second, fused(network, first, second)]
            slices = [volume[0, 0, :, :, volume.shape[4] // 2].clamp(0, 1).numpy() for volume in volumes]
            rows.append(np.rint(np.concatenate(slices, axis=1) * 255).astype(np.uint8))
        width = max((row.shape[1] for row in rows), default=0)
        padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]
        return np.repeat(np.concatenate(padded)[None], 3, axis=0) if padded else None

    def metadata(self) -> dict[str, str]:
        """Kind of network and the order of its sources."""
        return {"network": "dc2fusion", "sources": "anatomical, functional", "range": "0..1"}


def fused(network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """The volumes blended by the shares that the network gives."""
    share: Tensor = network(first, second).float()
    return share * first + (1 - share) * second
