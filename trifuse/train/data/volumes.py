"""Pairs of registered volumes, and cubes of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.align import align
from trifuse.core.image import Image
from trifuse.train.data.augment import curve

Pair = tuple[Path, Path]


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
