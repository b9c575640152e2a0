"""SR3 as an upsampler: one picture in, the same picture at a multiple of its size out."""

from __future__ import annotations

import torch
from torch import Tensor

from trifuse import weights
from trifuse.core.errors import WeightsError
from trifuse.core.random import Random
from trifuse.diffusion.conditions import enlarged, to_display
from trifuse.diffusion.model import Walk, load
from trifuse.upsamplers.base import Card, Upsampler


def upsample(x: Tensor, scale: int, random: Random, *, checkpoint: str = "sr3", walk: Walk | None = None) -> Tensor:
    """Super-resolution by SR3 (Saharia et al., TPAMI 2023), conditioned on the bicubic picture.

    Args:
        x: `(B, 1|3, h, w)`, values 0..1.
        scale: magnification.
        random: where the noise comes from.
        checkpoint: name in the catalogue, or path.
        walk: how to sample; as the checkpoint wants if not given.

    Returns:
        `(B, 1|3, scale * h, scale * w)`, values 0..1; grey in gives grey out (mean of the three channels).

    Raises:
        WeightsError: if the checkpoint is absent, or is no network for one RGB picture.
    """
    autocast = torch.is_autocast_enabled(x.device.type)
    dtype = torch.bfloat16 if autocast else torch.float32
    model = load(weights.path(checkpoint), device=str(x.device), dtype=dtype)
    if (model.condition_channels, model.image_channels) != (3, 3):
        raise WeightsError(
            f"weights {checkpoint!r} take {model.condition_channels} condition channels; SR3 upsampling needs 3"
        )
    drawn = to_display(model.sample(enlarged(x, scale), random, walk, scale))
    return drawn.mean(dim=1, keepdim=True) if x.shape[1] == 1 else drawn


def _magnify(x: Tensor, scale: int, random: Random) -> Tensor:
    return upsample(x.clamp(0, 1), scale, random)


SR3 = Upsampler(
    Card(
        "sr3",
        "a diffusion model",
        paper="Saharia et al., Image Super-Resolution via Iterative Refinement, IEEE TPAMI 2023",
        weights="sr3",
    ),
    _magnify,
)
