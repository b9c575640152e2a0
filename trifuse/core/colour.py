"""Luma and chroma: how colour sources pass through methods that know grey only.

Arrays and tensors alike are `(..., 3, *space)` with the channel axis third from the end (2D). All functions
work on float values 0..1 and leave the batch alone.

The conversions that the papers use:

- `ycbcr`: ITU-R BT.601, full range, the usual one of the fusion literature; chroma is centred on 0 here.
- `yuv`: the rounded matrix of the BitonicX and CTSR programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

ColourSpace = Literal["ycbcr", "yuv"]

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of ITU-R BT.601, which both conversions share."""

MATRICES: dict[str, list[list[float]]] = {
    "ycbcr": [
        [*LUMA],
        [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
        [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
    ],
    "yuv": [[*LUMA], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.100]],
}
"""RGB -> (luma, two chroma components), one row each."""


def split(rgb: Tensor, space: ColourSpace = "ycbcr") -> tuple[Tensor, Tensor]:
    """Luma `(B, 1, *space)` and chroma `(B, 2, *space)` of RGB `(B, 3, *space)`; grey has chroma 0."""
    import torch

    if rgb.shape[1] == 1:
        return rgb, rgb.new_zeros(rgb.shape[0], 2, *rgb.shape[2:])
    matrix = torch.tensor(MATRICES[space], dtype=rgb.dtype, device=rgb.device)
    turned = torch.einsum("ij,bj...->bi...", matrix, rgb)
    return turned[:, :1], turned[:, 1:]


def join(luma: Tensor, chroma: Tensor, space: ColourSpace = "ycbcr") -> Tensor:
    """RGB `(B, 3, *space)` from luma and chroma, not clipped; the inverse of `split`."""
    import torch

    matrix = torch.from_numpy(np.linalg.inv(np.array(MATRICES[space]))).to(luma)
    return torch.einsum("ij,bj...->bi...", matrix, torch.cat([luma, chroma], dim=1))


def merge_chroma(chromas: Sequence[Tensor]) -> Tensor:
    r"""One chroma from several: \(c = \sum_k c_k |c_k| / \sum_k |c_k|\), so that the stronger colour prevails.

    Where no source has colour the result is 0. One chroma is returned unchanged.

    Source: Prabhakar et al., DeepFuse, ICCV 2017, eq. 3, which the fusion literature follows.
    """
    import torch

    if len(chromas) == 1:
        return chromas[0]
    stacked = torch.stack(list(chromas))
    weight = stacked.abs()
    total = weight.sum(dim=0)
    return torch.where(total > 0, (stacked * weight).sum(dim=0) / total.clamp_min(1e-12), torch.zeros_like(total))
