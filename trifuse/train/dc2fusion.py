"""The task of DC2Fusion: random cubes of volumes of one patient, fused to be like both."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse import samples
from trifuse.align import align
from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected
from trifuse.train.augment import Pixels, curve
from trifuse.train.cases import volume_pairs
from trifuse.train.losses import contrast
from trifuse.train.losses import dc2fusion as losses
from trifuse.train.recipe import Recipe
from trifuse.train.settings.data import Studies, Tables
from trifuse.train.settings.dc2fusion import DC2Fusion as Settings
from trifuse.train.task import Batch, Draw, psnr

Pair = tuple[Path, Path]


class DC2FusionTask:
    """Fusion of volumes; see `Task`.

    Raises:
        InputError: if the data of the recipe are no studies or tables of volumes, or a volume is missing.
    """

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.model, Settings)
        if not isinstance(recipe.data, Studies | Tables):
            raise InputError("dc2fusion learns from volumes; give data of kind studies or tables in the recipe")
        self.recipe, self.settings = recipe, recipe.model
        self.train, self.val = volume_pairs(recipe.data, "train"), volume_pairs(recipe.data, "val")
        self.side = max(recipe.schedule.sides.values())
        if self.settings.loss == "contrast" and self.side < contrast.SMALLEST:
            raise InputError(f"field schedule.sides: loss contrast needs cubes of {contrast.SMALLEST} voxels or more")
        torch.manual_seed(recipe.seed)
        shape = self.settings
        self.network: nn.Module = DC2FusionCorrected(shape.width, shape.depths, shape.kernel, shape.drop)

    @cached_property
    def held_out(self) -> list[Tensor]:
        """The middle part `(2, 1, 1, D, H, W)` of each validation pair."""
        return [middle(read(pair), self.settings.val_side) for pair in self.val]

    def batch(self, draw: Draw) -> Batch:
        """Cubes of the first and of the second volume, augmented."""
        cubes = torch.stack([self._cube(draw.numpy) for _ in range(self.recipe.schedule.batch)], dim=1)
        return {"first": cubes[0], "second": cubes[1]}

    def _cube(self, random: np.random.Generator) -> Tensor:
        """`(2, 1, side, side, side)`: other contrasts, mirrored, the second volume a little displaced."""
        if random.random() < self.settings.sample:
            study = samples.study()
            anatomy = (Modality.T1, Modality.T2)[int(random.integers(2))]
            pair = study[anatomy], study[Modality.PET]
        else:
            pair = self.train[int(random.integers(len(self.train)))]
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


@lru_cache(maxsize=64)
def read(pair: Pair) -> Tensor:
    """Two volumes `(2, 1, 1, D, H, W)` in 0..1 on the grid of the first, placed by headers, cut to what both show.

    Raises:
        InputError: if a file is missing or damaged.
    """
    images = align([Image.of(path) for path in pair], register="resample").images
    volumes = [torch.from_numpy(np.nan_to_num(image.pixels[:1])) for image in images]
    return shared(torch.stack(volumes)[:, None].float())


def shared(pair: Tensor) -> Tensor:
    """The smallest box of volumes `(2, 1, 1, D, H, W)` outside of which one of them is 0 everywhere."""
    both = (pair > 0).all(dim=0)[0, 0]
    if not both.any():
        return pair
    depth, height, width = (slice(int(found.min()), int(found.max()) + 1) for found in both.nonzero(as_tuple=True))
    return pair[..., depth, height, width]


def middle(pair: Tensor, side: int) -> Tensor:
    """The middle of volumes `(..., D, H, W)`, at most `side` along each axis."""
    starts = [max(0, (n - side) // 2) for n in pair.shape[-3:]]
    depth, height, width = (slice(start, start + side) for start in starts)
    return pair[..., depth, height, width]


def cut(pair: Tensor, side: int, random: np.random.Generator, tries: int = 3) -> Tensor:
    """A random cube `(2, 1, side, side, side)` that shows something; smaller volumes are set in zeros."""
    short = [max(0, side - n) for n in pair.shape[-3:]]
    pair = functional.pad(pair[:, 0], [part for n in reversed(short) for part in (n // 2, n - n // 2)])
    for _ in range(tries):
        starts = [int(random.integers(0, n - side + 1)) for n in pair.shape[-3:]]
        depth, height, width = (slice(start, start + side) for start in starts)
        cube = pair[..., depth, height, width]
        if float((cube.amax(dim=0) > 0.05).float().mean()) > 0.3:
            break
    return cube.clone()


def recontrasted(volume: Tensor, random: np.random.Generator) -> Tensor:
    """A volume seen through a random monotone intensity curve, half of the time."""
    if random.random() < 0.5:
        return volume
    levels = torch.from_numpy(curve(random, 0.7))
    place = volume.clamp(0, 1) * 255
    below = place.floor().long().clamp(max=254)
    return torch.lerp(levels[below], levels[below + 1], place - below)


def displaced(volume: Tensor, most: float, random: np.random.Generator) -> Tensor:
    """A volume `(1, D, H, W)` moved by a smooth random field of at most `most` voxels."""
    space = volume.shape[1:]
    coarse = torch.from_numpy(random.uniform(-most, most, (1, 3, 4, 4, 4)).astype(np.float32))
    field = functional.interpolate(coarse, size=list(space), mode="trilinear", align_corners=True)
    axes = [(2 * torch.arange(n) + 1) / n - 1 for n in space]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    moves = field[0].movedim(0, -1) * 2 / torch.tensor(space)
    grid = (places + moves).flip(-1)[None].float()
    return functional.grid_sample(volume[None], grid, padding_mode="border", align_corners=False)[0]
