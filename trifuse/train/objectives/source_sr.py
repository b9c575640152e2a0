"""Enlarging single sources: pictures of the train split, one scale per step in turn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.nets.source_sr import SourceSR, joined
from trifuse.train.data import augment, degradations, images, palettes
from trifuse.train.data.augment import Pixels
from trifuse.train.data.degradations import Levels
from trifuse.train.data.single import check_single, cropped, enlarge, single
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.objectives.base import Batch, Objective, Patches, Trained
from trifuse.train.settings.data import Volumes
from trifuse.train.settings.part import Expanded, Part


class Settings(Part):
    """Settings of the objective `source-sr`: one-pass super-resolution of single sources.

    Attributes:
        width, blocks, fine: the network's shape.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        volumes: volumes whose slices join the pictures.
        mse_from: from this step on the loss is the mean squared error alone.
        augmentation: how often contrast, palette and zoom are changed, in units of the usual shares.
        by_patient: draw the patients of a kind alike, however many pictures there are of each.
        folders: folders of further single pictures to learn from, each a kind of its own by its name.
        others: share of the steps whose small pictures are made in other ways than Pillow's bicubic, for which the
            network then has a second way (see `trifuse.train.data.degradations`).
    """

    task: Literal["source-sr"] = "source-sr"
    width: int = Field(default=64, ge=1)
    blocks: int = Field(default=6, ge=1)
    fine: int = Field(default=16, ge=1)
    shares: dict[str, float] = Field(default_factory=dict)
    volumes: Volumes | None = None
    mse_from: int | None = None
    augmentation: float = Field(default=1.0, ge=0, le=1)
    by_patient: bool = False
    folders: tuple[Expanded, ...] = ()
    others: float = Field(default=0.0, ge=0, lt=1)


class SourceSRObjective(Objective[Settings]):
    """Super-resolution of sources, grey and pseudo-coloured; see `Objective`."""

    Settings = Settings
    terms = frozenset({"l1", "mse"})
    joins = True
    patches = Patches(least=8, scales=True)

    def check(self) -> None:
        """See `Objective`.

        Raises:
            InputError: if the data hold no single sharp pictures.
        """
        check_single(self.run.data)

    @classmethod
    def joined(cls, parts: Mapping[str, Trained]) -> Trained:
        """Weights of several scales, each with a trunk of its own; the first one's trunk is the general one."""
        (general, about), *others = parts.values()
        single = {int(metadata["scales"]): state for state, metadata in others}
        scales = sorted({*map(int, about["scales"].split(",")), *single})
        return joined(general, single), {**about, "scales": ",".join(map(str, scales))}

    def build(self) -> nn.Module:
        """See `Objective`."""
        shape = self.settings
        network = SourceSR(shape.width, shape.blocks, shape.fine, self.scales, adapts=shape.others > 0)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def sampler(self) -> images.PictureSampler:
        """All pictures of the train split and slices of volumes."""
        pictures = single(self.run.data, "train")
        if self.settings.volumes is not None:
            pictures += images.slices(self.settings.volumes)
        pictures += [picture for folder in self.settings.folders for picture in images.of_folder(folder)]
        settings = self.settings
        return images.PictureSampler(pictures, settings.shares, settings.augmentation, settings.by_patient)

    @cached_property
    def held_out(self) -> dict[str, list[Pixels]]:
        """Every third picture of the validation cases by kind, and the functional ones in the PET palette."""
        kinds: dict[str, list[Pixels]] = {}
        for picture in single(self.run.data, "val"):
            kind = f"{picture.collection}/{picture.kind}"
            kind = kind if kind in self.settings.shares else picture.kind
            kinds.setdefault(kind, []).append(augment.grey_to_rgb(picture.pixels))
            if picture.uptake is not None:
                kinds.setdefault("repainted", []).append(palettes.paint(picture.uptake, "pet"))
        return {kind: pictures[::3] for kind, pictures in kinds.items()}

    def batch(self, draw: Draw) -> Batch:
        """Small, bicubic and sharp patches of one scale, all made small by Pillow's bicubic or all in other ways."""
        scale = self.scales[draw.step % len(self.scales)]
        schedule, others = self.run.schedule, self.settings.others
        exact = not others or bool(draw.numpy.random() >= others)
        side = schedule.sides[scale]
        small, bicubic, sharp = self.sampler.batch(schedule.batch, side, scale, draw.numpy, exact=exact)
        pictures = {"small": tensor(small), "bicubic": tensor(bicubic), "sharp": tensor(sharp)}
        return {**pictures, "exact": torch.tensor(exact)}

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """L1 and weighted MSE; from the step `mse_from` on MSE alone, which is what PSNR rewards."""
        error = network(batch["small"], batch["bicubic"], exact=bool(batch.get("exact", True))) - batch["sharp"]
        l1, mse = error.abs().mean(), error.square().mean()
        weights = self.run.loss
        last_part = self.settings.mse_from is not None and step >= self.settings.mse_from
        loss = 50 * mse if last_part else weights.l1 * l1 + weights.mse * mse
        return {"loss": loss, "l1": l1.detach(), "mse": mse.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean PSNR gain over bicubic per scale and kind of picture."""
        gains: dict[str, float] = {}
        for scale in self.scales:
            for kind, pictures in self.held_out.items():
                gains[f"x{scale} {kind}"] = float(np.mean([_gain(network, pixels, scale) for pixels in pictures]))
            if self.settings.others:
                gains[f"x{scale} others"] = self._gain_of_others(network, scale)
        return gains

    def _gain_of_others(self, network: nn.Module, scale: int) -> float:
        """Mean gain over bicubic of pictures made small in drawn ways, three of each kind."""
        random = np.random.default_rng(0)
        gains = []
        for pixels in (pixels for pictures in self.held_out.values() for pixels in pictures[:3]):
            sharp = cropped(pixels, scale)
            small, bicubic = degradations.degraded(sharp, scale, random)
            gains.append(_difference(network, small, bicubic, sharp, exact=False))
        return float(np.mean(gains))

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Bicubic, enlarged and sharp side by side, one row per kind, at the largest scale."""
        rows = []
        for pictures in self.held_out.values():
            sharp = cropped(pictures[0], self.scales[-1])
            small, bicubic = augment.degraded(sharp, self.scales[-1])
            enlarged = enlarge(network, small, bicubic)
            rows.append(np.concatenate([bicubic, np.rint(enlarged * 255).astype(np.uint8), sharp], axis=2))
        width = max((row.shape[2] for row in rows), default=0)
        padded = [np.pad(row, ((0, 0), (0, 0), (0, width - row.shape[2]))) for row in rows]
        return np.concatenate(padded, axis=1) if padded else None

    def metadata(self) -> dict[str, str]:
        """Kind of network and its scales."""
        return {"network": "source-sr", "scales": ",".join(map(str, self.scales)), "range": "0..1"}


def _gain(network: nn.Module, pixels: Pixels, scale: int) -> float:
    pixels = cropped(pixels, scale)
    return _difference(network, *augment.degraded(pixels, scale), pixels, exact=True)


def _difference(network: nn.Module, small: Levels, bicubic: Levels, sharp: Pixels, *, exact: bool) -> float:
    truth = tensor(sharp[None])
    enlarged = torch.from_numpy(enlarge(network, small, bicubic, exact=exact))[None]
    return psnr(enlarged, truth) - psnr(tensor(bicubic[None]), truth)
