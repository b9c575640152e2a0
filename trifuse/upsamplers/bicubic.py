"""Bicubic magnification, as Pillow's."""

from __future__ import annotations

import torch
from torch import Tensor

from trifuse.core import resize
from trifuse.core.random import Random
from trifuse.upsamplers.base import Card, Upsampler


def bicubic(x: Tensor, scale: int) -> Tensor:
    """Pillow's bicubic magnification of `(B, C, *space)`; see `trifuse.core.resize.magnified`."""
    if scale == 1:
        return x
    pixels = x.detach().float().cpu().numpy()
    larger = resize.magnified(pixels.reshape(-1, *pixels.shape[2:]), scale)
    return torch.from_numpy(larger.reshape(*pixels.shape[:2], *larger.shape[1:])).to(x)


def _magnify(x: Tensor, scale: int, random: Random) -> Tensor:
    return bicubic(x, scale)


BICUBIC = Upsampler(Card("bicubic", "cubic convolution, as Pillow's", dims=frozenset({2, 3})), _magnify)
