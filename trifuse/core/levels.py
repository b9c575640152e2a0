"""Between the float32 tensors that methods pass on and the float64 of programs that computed from 8-bit pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def levels(x: Tensor) -> Tensor:
    """Float64 of a tensor; where all of it holds 8-bit levels k/255 (to 1e-4 of a level), exactly these."""
    scaled = x.double().cpu() * 255
    nearest = scaled.round()
    return nearest / 255 if bool(((scaled - nearest).abs() < 1e-4).all()) else x.double().cpu()


def single(x: Tensor) -> Tensor:
    r"""Float32 of a float64 tensor, moved by up to two steps so that no value changes its 8-bit level, whether the
    level \(\lfloor 255 x + 1/2 \rfloor\) is taken in single or in double precision."""
    level = torch.floor(x * 255 + 0.5)
    rounded = x.float()
    for _ in range(2):
        crossed = sum((level - torch.floor(y * 255 + 0.5)).sign().float() for y in (rounded, rounded.double()))
        rounded = torch.nextafter(rounded, rounded + crossed)
    return rounded
