"""What trained networks make of the sources before a diffusion begins: the sharper conditions of the shipped models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from trifuse import weights
from trifuse.core.errors import OptionError
from trifuse.diffusion.conditions import brightest, to_display
from trifuse.diffusion.conditions import enlarged as bicubic
from trifuse.filters.bounding_box import bounding_box
from trifuse.nets.degradation_judge import DegradationJudge
from trifuse.nets.fusion_rule import REACH, FusionRule
from trifuse.nets.source_sr import SourceSR

NAME = "source-sr"
"""The weights in the catalogue that enlarge."""

JUDGE = "degradation-judge"
"""Those that tell how a small picture was made."""

RULE = "fusion-rule"
"""Those that correct the analytic fusion."""

SELF_ENSEMBLE = {2: 2, 4: 4, 8: 4}
"""Size of the self-ensemble in the condition of TFS-Diff at each scale; at x2 it costs most and gains least, and at x8
more than four gain nothing."""


Degradation = Literal["auto", "bicubic", "other"]
"""How a small picture was made: by Pillow's bicubic, in another way, or as it looks."""


def enlarged(
    source: Tensor, scale: int, *, checkpoint: str = NAME, ensemble: int = 1, degradation: Degradation = "bicubic"
) -> Tensor:
    """A source `(B, 1|3, h, w)`, values 0..1, as `(B, 3, scale * h, scale * w)`, values 0..1; grey stays grey.

    Args:
        checkpoint: name in the catalogue, or path.
        ensemble: size of the self-ensemble: of how many flips and transposes the results are averaged, 1 to 8.
        degradation: how it was made small; "auto" asks a trained judge.

    Raises:
        OptionError: if the network has no such scale.
        WeightsError: if the weights are absent or damaged.
    """
    large = to_display(bicubic(source, scale))
    if scale == 1:
        return large
    network = weights.kept(_load, weights.path(checkpoint))
    if str(scale) not in network.heads:
        raise OptionError(f"weights {checkpoint!r} have no scale {scale}; they have {', '.join(network.heads)}")
    device = source.device
    network = network.to(device)
    small = source.float().expand(-1, 3, -1, -1) if source.shape[1] == 1 else source.float()
    with torch.inference_mode():
        out = network.enlarged(small, large, ensemble, exact=_is_bicubic(small, scale, degradation))
    grey = source.shape[1] == 1 or bool((small == small[:, :1]).all())
    return out.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) if grey else out


def corrected(pictures: Tensor, scale: int, *, checkpoint: str = RULE) -> Tensor:
    """The analytic fusion of three enlarged sources, corrected by a trained rule; grey stays grey.

    Args:
        pictures: `(B, 12, H, W)`, values 0..1: the sources, then their fusion.
        scale: by which the sources were enlarged.
        checkpoint: name in the catalogue, or path.

    Returns:
        `(B, 3, H, W)`, values 0..1.

    Raises:
        WeightsError: if the weights are absent or damaged.
    """
    network = weights.kept(_load_rule, weights.path(checkpoint)).to(pictures.device)
    out = pictures[:, 9:].clone()
    box = (..., *bounding_box(pictures.cpu().numpy(), REACH))  # beyond all is black and stays so
    if out[box].numel():
        with torch.inference_mode():
            out[box] = by_rule(network, pictures[box].contiguous(), scale).clamp(0, 1)
    grey = all(bool((picture == picture[:, :1]).all()) for picture in pictures.chunk(4, dim=1))
    return out.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) if grey else out


def by_rule(network: nn.Module, pictures: Tensor, scale: int) -> Tensor:
    """What a `FusionRule` makes of sources and fusion `(B, 12, H, W)`, values 0..1: `(B, 3, H, W)`, not clipped."""
    largest = to_display(brightest(pictures[:, :9] * 2 - 1))
    *sources, analytic = pictures.chunk(4, dim=1)
    fused: Tensor = network(sources, analytic, largest, scale)
    return fused


def _is_bicubic(small: Tensor, scale: int, degradation: Degradation) -> bool:
    if degradation != "auto":
        return degradation == "bicubic"
    judge = weights.kept(_load_judge, weights.path(JUDGE))
    return all(judge.is_bicubic(picture[None], scale) for picture in small)


def _load_judge(path: Path) -> DegradationJudge:
    return DegradationJudge.from_state(_read(path)).eval()


def _load(path: Path) -> SourceSR:
    return SourceSR.from_state(_read(path)).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _load_rule(path: Path) -> FusionRule:
    return FusionRule.from_state(_read(path)).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _read(path: Path) -> dict[str, Tensor]:
    return {name: value.float() for name, value in weights.load(path).items()}
