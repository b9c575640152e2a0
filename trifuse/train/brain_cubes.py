"""Two registered volumes as DC2Fusion's program prepares them: the head cut out, on a cube, scaled to 0..1.

Source: the authors' program (validation and inference transforms) of Liu et al., arXiv 2310.06291, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

PADDED = (224, 224, 224)
SIDES = (128, 128, 128)


def cubes(mri: Tensor, pet: Tensor, padded: Sequence[int] = PADDED, sides: Sequence[int] = SIDES) -> list[Tensor]:
    """Both volumes `(D, H, W)` -> `(1, *sides)` in 0..1.

    They are cut to the bounding box of MRI > 0, set in zeros up to `padded` (longer axes stay), brought to `sides` by
    area means, and each is stretched by its own minimum and maximum; a constant one becomes 0.
    """
    inside = mri > 0
    box = tuple(_extent(inside.movedim(axis, 0).flatten(1).any(1)) for axis in range(3))
    return [stretched(resized(volume[box], padded, sides)) for volume in (mri, pet)]


def resized(volume: Tensor, padded: Sequence[int], sides: Sequence[int]) -> Tensor:
    """A volume set in zeros, the surplus behind it where it is odd, then area means: `(1, *sides)`."""
    short = [max(0, wanted - n) for n, wanted in zip(volume.shape, padded, strict=True)]
    borders = [part for n in reversed(short) for part in (n // 2, n - n // 2)]
    depth, height, width = sides
    return functional.adaptive_avg_pool3d(functional.pad(volume, borders)[None], (depth, height, width))


def stretched(volume: Tensor) -> Tensor:
    """Minimum and maximum at 0 and 1; 0 where there is no range."""
    low, high = volume.min(), volume.max()
    return (volume - low) / (high - low) if bool(high > low) else torch.zeros_like(volume)


def _extent(present: Tensor) -> slice:
    found = present.nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(None)
