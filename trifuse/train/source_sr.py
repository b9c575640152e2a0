"""The task of enlarging single sources: pictures of the train split, one scale per step in turn."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trifuse.core.errors import InputError
from trifuse.nets.source_sr import SourceSR
from trifuse.train import augment, images, palettes
from trifuse.train.augment import Pixels
from trifuse.train.cases import Case, Phase, cases
from trifuse.train.official import layout_of
from trifuse.train.recipe import Recipe
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.source_sr import SourceSR as Settings
from trifuse.train.task import Batch, Draw, psnr, tensor


class SourceSRTask:
    """Super-resolution of sources, grey and pseudo-coloured; see `Task`."""

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.model, Settings)
        self.recipe, self.settings = recipe, recipe.model
        self.scales = tuple(recipe.schedule.sides)
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = SourceSR(
            self.settings.width, self.settings.blocks, self.settings.fine, self.scales
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @cached_property
    def bank(self) -> images.Bank:
        """All pictures of the train split and slices of volumes."""
        pictures = single(self.recipe, "train")
        if self.settings.volumes is not None:
            pictures += images.slices(self.settings.volumes)
        settings = self.settings
        return images.Bank(pictures, settings.shares, settings.augmentation, settings.by_patient)

    @cached_property
    def held_out(self) -> dict[str, list[Pixels]]:
        """Every third picture of the validation cases by kind, and the functional ones in the PET palette."""
        kinds: dict[str, list[Pixels]] = {}
        for picture in single(self.recipe, "val"):
            kinds.setdefault(picture.kind, []).append(augment.grey_to_rgb(picture.pixels))
            if picture.uptake is not None:
                kinds.setdefault("repainted", []).append(palettes.paint(picture.uptake, "pet"))
        return {kind: pictures[::3] for kind, pictures in kinds.items()}

    def batch(self, draw: Draw) -> Batch:
        """Small, bicubic and sharp patches of one scale."""
        scale = self.scales[draw.step % len(self.scales)]
        schedule = self.recipe.schedule
        small, bicubic, sharp = self.bank.batch(schedule.batch, schedule.sides[scale], scale, draw.numpy)
        return {"small": tensor(small), "bicubic": tensor(bicubic), "sharp": tensor(sharp)}

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """L1 and weighted MSE; from the step `mse_from` on MSE alone, which is what PSNR rewards."""
        error = network(batch["small"], batch["bicubic"]) - batch["sharp"]
        l1, mse = error.abs().mean(), error.square().mean()
        weights = self.recipe.loss
        last_part = self.settings.mse_from is not None and step >= self.settings.mse_from
        loss = 50 * mse if last_part else weights.l1 * l1 + weights.mse * mse
        return {"loss": loss, "l1": l1.detach(), "mse": mse.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean PSNR gain over bicubic per scale and kind of picture."""
        gains: dict[str, float] = {}
        for scale in self.scales:
            for kind, pictures in self.held_out.items():
                gains[f"x{scale} {kind}"] = float(np.mean([_gain(network, pixels, scale) for pixels in pictures]))
        return gains

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Bicubic, enlarged and sharp side by side, one row per kind, at the largest scale."""
        rows = []
        for pictures in self.held_out.values():
            small, bicubic = augment.degraded(pictures[0], self.scales[-1])
            enlarged = enlarge(network, small, bicubic)
            rows.append(np.concatenate([bicubic, np.rint(enlarged * 255).astype(np.uint8), pictures[0]], axis=2))
        width = max((row.shape[2] for row in rows), default=0)
        padded = [np.pad(row, ((0, 0), (0, 0), (0, width - row.shape[2]))) for row in rows]
        return np.concatenate(padded, axis=1) if padded else None

    def metadata(self) -> dict[str, str]:
        """Kind of network and its scales."""
        return {"network": "source-sr", "scales": ",".join(map(str, self.scales)), "range": "0..1"}


def enlarge(network: nn.Module, small: Pixels, bicubic: Pixels, ensemble: int = 1) -> NDArray[np.float32]:
    """One picture `(3, h, w)` and its bicubic enlargement -> `(3, H, W)` float32, clipped to 0..1; grey stays grey."""
    assert isinstance(network, SourceSR)
    with torch.inference_mode():
        out = network.enlarged(tensor(small[None]), tensor(bicubic[None]), ensemble)[0]
    if (small == small[:1]).all():
        out = out.mean(dim=0, keepdim=True).expand(3, -1, -1)
    return np.ascontiguousarray(out.numpy())


def single(recipe: Recipe, phase: Phase) -> list[images.Picture]:
    """All distinct pictures of a phase, sorted by path.

    Raises:
        InputError: if the recipe's data are of a kind without single sharp pictures.
    """
    if isinstance(recipe.data, OfficialLayout):
        layout = layout_of(recipe.data, phase)
        if layout is None:
            return []
        if recipe.data.sources == 3:
            raise InputError(
                "source-sr learns from sharp sources, which the three-source official layout does not hold"
            )
        return [images.Picture(layout.pictures(index)["HR"], "hr") for index in range(len(layout))]
    found: list[Case] = cases(recipe.data, phase)
    patients = {path: case.patient for case in found for path in case.sources}
    return [images.picture(path, patients[path]) for path in sorted(patients)]


def _gain(network: nn.Module, pixels: Pixels, scale: int) -> float:
    small, bicubic = augment.degraded(pixels, scale)
    sharp = tensor(pixels[None])
    enlarged = torch.from_numpy(enlarge(network, small, bicubic))[None]
    return psnr(enlarged, sharp) - psnr(tensor(bicubic[None]), sharp)
