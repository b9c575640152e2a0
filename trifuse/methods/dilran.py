"""DILRAN: features of each image, weighted by the nuclear norm of their softmax, reconstructed linearly.

Source: Zhou, Xu, Zhang, "An Attention-based Multi-Scale Feature Learning Network for Multimodal Medical Image
Fusion", arXiv 2212.04661, 2022; further rules as in the authors' program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.cost import Cost
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.nets.dilran import from_state
from trifuse.nets.state import trained

Strategy = Literal["sfnn", "average", "addition", "fl1n", "l1nw", "al1nw", "fer"]
Variant = Literal["reference", "corrected"]

WEIGHTS = "dilran"
"""Name of the weights that are taken unless others are given."""


@method
@dataclass(frozen=True)
class DILRAN:
    """Fuses any number of grey images by a weighted mean of their features."""

    card: ClassVar[Card] = Card(
        name="dilran",
        title="DILRAN",
        summary="Dilated convolutions and residual attention give each image 64 features; their mean, weighted by "
        "the largest nuclear norm of their softmax, is reconstructed.",
        cites=("zhou2022dilran",),
        paper="Zhou, Xu, Zhang, An Attention-based Multi-Scale Feature Learning Network for Multimodal Medical Image "
        "Fusion, arXiv 2212.04661, 2022",
        sources=(2, None),
        min_size=2,
        weights=WEIGHTS,
        notes="The published results were made without switching batch norm to evaluation, so that each picture is "
        "normed by its own statistics. variant=reference (default) keeps that, since the stored statistics mix two "
        "uses of one layer and lose 1.75 dB on the authors' test split; variant=corrected uses the stored ones, as "
        "the framework means it. More than two sources are fused at once, with weights n_i²/Σn_j² (our "
        "generalisation, equal to the original for two), so their order does not matter. Odd sides are mirrored by "
        "one pixel. The default weights are ours, trained briefly (trifuse/weights/shipped/dilran.md); the authors', "
        "once added: --option weights=dilran-official.",
        cost=Cost(fixed=2, per_source=3450, seconds=32),
    )

    weights: str = field(default="", metadata={"help": "checkpoint file or name of weights"})
    variant: Variant = field(default="reference", metadata={"help": "statistics of the picture, or the stored ones"})
    strategy: Strategy = field(default="sfnn", metadata={"help": "fusion rule of the features"})

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they are not of this network.
        """
        net = trained(from_state, self.weights or WEIGHTS, self.card.name).to(sources[0].device)
        height, width = sources[0].shape[2:]
        even = [functional.pad(source, (0, width % 2, 0, height % 2), mode="reflect") for source in sources]
        fused = []
        for pictures in zip(*(source.chunk(len(source)) for source in even), strict=True):
            features = net.fe(torch.cat(pictures), batch_statistics=self.variant == "reference")
            fused.append(RULES[self.strategy](features))
        images: Tensor = net.recon(torch.cat(fused))
        return Estimate(images[:, :, :height, :width].clamp(0, 1))


def sfnn(features: Tensor) -> Tensor:
    r"""Softmax feature nuclear norm: \(\sum_i w_i f_i\), \(w_i = n_i^2 / \sum_j n_j^2\).

    \(n_i\) is the largest nuclear norm of a channel of \(f_i\) after a softmax over the channels of each pixel
    (section 2.3 of the paper).
    """
    norms = torch.stack([largest_nuclear_norm(f.softmax(dim=0)) for f in features.detach()])
    return _weighted(features, norms.square() / norms.square().sum())


def largest_nuclear_norm(channels: Tensor) -> Tensor:
    r"""The largest nuclear norm (sum of singular values) of the matrices `(C, H, W)`.

    Only channels that can win are decomposed: with mean m, \(\|A\|_* \le |m| \sqrt{HW} + \sqrt{r} \|A - m\|_F\),
    r the smaller side; channels are taken by falling bound until no bound exceeds what was found.
    """
    height, width = channels.shape[1:]
    mean = channels.mean(dim=(1, 2))
    spread = torch.linalg.matrix_norm(channels - mean[:, None, None])
    bounds = mean.abs() * (height * width) ** 0.5 + spread * min(height, width) ** 0.5
    largest = channels.new_zeros(())
    for index in bounds.argsort(descending=True).tolist():
        if bool(bounds[index] * (1 + 1e-5) < largest):
            break
        largest = torch.maximum(largest, torch.linalg.svdvals(channels[index]).sum())
    return largest


def fl1n(features: Tensor) -> Tensor:
    r"""\(\sum_i w_i f_i\), \(w_i = \|f_i\|_1 / \sum_j \|f_j\|_1\)."""
    norms = _l1(features)
    return _weighted(features, norms / norms.sum())


def fer(features: Tensor) -> Tensor:
    r"""Feature energy ratio: \(\sum_i f_i^3 / \sum_i f_i^2\), 0 where all are 0."""
    energy = features.square().sum(dim=0, keepdim=True)
    return features.pow(3).sum(dim=0, keepdim=True) / torch.where(energy == 0, 1.0, energy)


def l1nw(features: Tensor) -> Tensor:
    r"""\(\sum_i \|f_i\|_1 f_i\), not normalised."""
    return _weighted(features, _l1(features))


def _l1(features: Tensor) -> Tensor:
    return features.abs().sum(dim=(1, 2, 3))


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    return (features * weights.view(-1, 1, 1, 1)).sum(dim=0, keepdim=True)


RULES: dict[Strategy, Callable[[Tensor], Tensor]] = {
    "sfnn": sfnn,
    "average": lambda features: features.mean(dim=0, keepdim=True),
    "addition": lambda features: features.sum(dim=0, keepdim=True),
    "fl1n": fl1n,
    "l1nw": l1nw,
    "al1nw": lambda features: l1nw(features) / 2,
    "fer": fer,
}
"""Fusion rules of features `(N, C, H, W)` -> `(1, C, H, W)`."""
