"""Borders for networks that halve the image several times."""

from __future__ import annotations

import torch
from torch import Tensor


def reflected_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """`(B, C, *space)` extended at each far end by reflection (edge not repeated) to multiples of `multiple`.

    Reflects as often as needed, so that images smaller than the border are served too; a side of one pixel is
    repeated. Sizes that fit are returned as they are.
    """
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        wanted = -(-n // multiple) * multiple
        if wanted == n:
            continue
        period = max(2 * (n - 1), 1)
        place = torch.arange(wanted, device=x.device) % period
        x = x.index_select(axis, torch.where(place < n, place, period - place))
    return x
