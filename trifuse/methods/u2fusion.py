"""U2Fusion: one densely connected network for all fusion tasks, fed with both images at once.

Source: Xu, Ma, Jiang, Guo, Ling, "U2Fusion", IEEE TPAMI 44(1), 2022; inference as in the authors' test script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse.core.colour import LUMA
from trifuse.core.cost import Cost, Tiling
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.nets.state import trained
from trifuse.nets.u2fusion import from_state

Variant = Literal["corrected", "reference"]

TO_YCBCR = (LUMA, (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
"""RGB -> Y, Cb, Cr with chroma centred on 0; the four decimals are the original's."""
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.34414, -0.71414), (1.0, 1.772, 0.0))
"""Y, Cb, Cr -> RGB as in the original."""

WEIGHTS = "u2fusion"
"""Name of the weights that are taken unless others are given."""


@method
@dataclass(frozen=True)
class U2Fusion:
    """Fuses two grey images; what each contributes is learned, so the order of the images matters."""

    card: ClassVar[Card] = Card(
        name="u2fusion",
        title="U2Fusion",
        summary="A dense network that is given both images as channels and trained without references to keep from "
        "each what its information measure says.",
        cites=("xu2022u2fusion",),
        paper="Xu, Ma, Jiang, Guo, Ling, U2Fusion, IEEE Transactions on Pattern Analysis and Machine Intelligence "
        "44(1):502-518, 2022",
        sources=(2, 2),
        min_size=2,
        weights=WEIGHTS,
        cost=Cost(fixed=5, per_pixel=3320, seconds=22),
        tiling=Tiling(reach=10),
        notes="The order matters: the authors put PET first and MRI second; more than two sources are folded from "
        "left to right. The output is compressed (black near 0.03, white near 0.9). variant=corrected (default) "
        "keeps that range and carries the colour of all sources; variant=reference divides by the largest value of "
        "the result as the original's image writer does, and keeps colour only if exactly one source has three "
        "channels. Corrected is the default because the reference's brightness cannot be compared between images. "
        "The default weights are ours, trained briefly (trifuse/weights/shipped/u2fusion.md). The authors' have no "
        "licence: give your own copy of them, then --option weights=u2fusion-official.",
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    variant: Variant = field(default="corrected", metadata={"help": "corrected, or reference as published"})

    def own_card(self) -> Card:
        """The reference variant handles colour itself."""
        return self.card.model_copy(update={"colour": "rgb"}) if self.variant == "reference" else self.card

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses two sources `(B, 1, H, W)`, in the reference variant also `(B, 3, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        if self.variant == "corrected":
            return Estimate(net(*sources))
        turned = [_matrix(TO_YCBCR, source) if source.shape[1] == 3 else source for source in sources]
        luma = net(*(source[:, :1] for source in turned))
        coloured = [source for source in turned if source.shape[1] == 3]
        fused = _matrix(TO_RGB, torch.cat([luma, coloured[0][:, 1:]], dim=1)) if len(coloured) == 1 else luma
        return Estimate(fused, stretch=divided)


def divided(images: Tensor, _low: Tensor, high: Tensor) -> Tensor:
    """Images divided by the largest value, as the original's image writer does."""
    return (images / high).clamp(0, 1)


def _matrix(rows: tuple[tuple[float, ...], ...], image: Tensor) -> Tensor:
    """A matrix applied to the three channels of each pixel."""
    return torch.einsum("ij,bj...->bi...", torch.tensor(rows, dtype=image.dtype, device=image.device), image)
