"""Single sharp pictures, as they are and enlarged by a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trifuse.core.errors import InputError
from trifuse.nets.source_sr import SourceSR
from trifuse.train.data import images
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Case, Phase, cases
from trifuse.train.data.degradations import Levels
from trifuse.train.data.official import layout_of
from trifuse.train.data.tensors import tensor
from trifuse.train.settings.data import Data, OfficialLayout, Studies


def enlarge(
    network: nn.Module, small: Levels, bicubic: Levels, ensemble: int = 1, *, exact: bool = True
) -> NDArray[np.float32]:
    """One picture `(3, h, w)` and its bicubic enlargement -> `(3, H, W)` float32, clipped to 0..1; grey stays grey.

    Args:
        ensemble: how many of the eight flips and quarter turns are averaged (self-ensemble).
        exact: whether it was made small by Pillow's bicubic.
    """
    assert isinstance(network, SourceSR)
    with torch.inference_mode():
        out = network.enlarged(tensor(small[None]), tensor(bicubic[None]), ensemble, exact=exact)[0]
    if (small == small[:1]).all():
        out = out.mean(dim=0, keepdim=True).expand(3, -1, -1)
    return np.ascontiguousarray(out.numpy())


def cropped(pixels: Pixels, scale: int) -> Pixels:
    """The upper left part of a picture `(C, H, W)` whose sides are multiples of a scale."""
    height, width = (n - n % scale for n in pixels.shape[1:])
    return pixels[:, :height, :width]


def check_single(data: Data) -> None:
    """Refuses data that hold no single sharp pictures.

    Raises:
        InputError: if they are volumes, or fused pictures beside blurred sources.
    """
    if isinstance(data, Studies):
        raise InputError("field data: data of kind studies are volumes, which only the objective dc2fusion learns from")
    if isinstance(data, OfficialLayout) and data.sources == 3:
        raise InputError(
            "field data: sharp sources are learned from, which the three-source official layout does not hold"
        )


def single(data: Data, phase: Phase) -> list[images.Picture]:
    """All distinct pictures of a phase, sorted by path.

    Raises:
        InputError: if the data are of a kind without single sharp pictures.
    """
    check_single(data)
    if isinstance(data, OfficialLayout):
        layout = layout_of(data, phase)
        if layout is None:
            return []
        return [images.Picture(layout.pictures(index)["HR"], "hr", layout.names[index]) for index in range(len(layout))]
    found: list[Case] = cases(data, phase)
    of = {path: case for case in found for path in case.sources}
    return [images.picture(path, of[path].patient, of[path].collection) for path in sorted(of)]
