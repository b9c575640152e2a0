"""TFS-Diff: three images fused and super-resolved by one conditional diffusion model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse import weights
from trifuse.core.cost import Cost
from trifuse.core.errors import WeightsError
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.diffusion import learned, official
from trifuse.diffusion.conditions import enlarged, to_display
from trifuse.diffusion.model import Model, Walk, load
from trifuse.diffusion.samplers import SAMPLERS
from trifuse.diffusion.spread import Spread
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

Condition = Callable[..., Tensor]
"""From three sources (values 0..1), scale, randomness and how the sources were made small to a condition `(B, C, H, W)`
with values -1..1."""

SHIPPED = {"default": "tfs-diff", "fast": "tfs-diff-fast"}
"""Weights in the catalogue for each quality."""


@method
@dataclass(frozen=True)
class TFSDiff:
    r"""Draws the fused image from \(p(x_0 | S_1, S_2, S_3)\) by reversing a diffusion, conditioned on the sources.

    Source: Xu et al., Simultaneous Tri-Modal Medical Image Fusion and Super-Resolution using Conditional Diffusion
    Model, MICCAI 2024.
    """

    card: ClassVar[Card] = Card(
        name="tfs-diff",
        title="TFS-Diff",
        summary="Conditional diffusion model that fuses three images and magnifies the result in one go.",
        cites=("xu2024tfsdiff", "saharia2023sr3"),
        paper="Xu et al., Simultaneous Tri-Modal Medical Image Fusion and Super-Resolution using Conditional Diffusion "
        "Model, MICCAI 2024",
        sources=(2, 3),
        scales=frozenset({1, 2, 4, 8}),
        colour="rgb",
        weights="tfs-diff",
        stochastic=True,
        notes="Three sources, the coloured one last as in the paper; of two, the structural (grey) one is given twice. "
        "Grey sources give a grey result. Each is enlarged as one that Pillow's bicubic made small, or as another "
        "small picture (a scanner's, noisy, JPEG), as a trained judge says, or degradation=bicubic|other. Sources with "
        "8-bit values are enlarged by Pillow's 8-bit bicubic, as the published data preparation does. "
        "variant=reference samples as the published program: the ancestral sampler "
        "over every training step (4000); variant=corrected walks the same network with few steps of a multistep "
        "solver. The published gate (TMFA) rescales the noisy image too, where the paper has the condition only; a "
        "checkpoint tells by its shape which it was trained with. The published loss compares the clean image with the "
        "predicted noise; trifuse trains with the corrected one.",
        cost=Cost(fixed=60, per_pixel=1500, seconds=60),
    )

    weights: str | None = field(
        default=None, metadata={"help": "checkpoint: a name in the catalogue or a file, official or own"}
    )
    steps: int | None = option(None, "sampling steps; as the weights want unless given", at_least=1)
    sampler: str | None = field(
        default=None,
        metadata={"help": f"how the steps are taken: {', '.join(SAMPLERS)}; as the weights want unless given"},
    )
    quality: Literal["default", "fast"] = field(
        default="default", metadata={"help": "which of the shipped weights: the best, or the fastest"}
    )
    variant: Literal["corrected", "reference"] = field(
        default="corrected", metadata={"help": "reference: all steps of the ancestral sampler, as published"}
    )
    degradation: learned.Degradation = field(
        default="auto",
        metadata={
            "help": "how the sources were made small: bicubic (Pillow's, antialiased), other (a scanner, another "
            "kernel, noise, JPEG), or auto: as each looks to a trained judge"
        },
    )
    norm_groups: int | None = option(None, "groups of the normalisations, for checkpoints that have not 32", at_least=1)
    config: str | None = field(
        default=None,
        metadata={"help": "the official JSON configuration of a checkpoint: its normalisations and noise schedule"},
    )

    def __post_init__(self) -> None:
        if self.sampler is not None:
            SAMPLERS.get(self.sampler)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """One draw, values 0..1; see `Method.fuse`.

        Raises:
            WeightsError: if there are no weights, or they belong to another network.
        """
        model = self._model(sources[0].device)
        if _is_analytic(model, scale):
            return Estimate(_in_kind(_sharp(sources, random), sources))
        condition = self._condition(model, sources, scale, random)
        return Estimate(_in_kind(to_display(model.sample(condition, random, self._walk, scale)), sources))

    def draws(self, sources: Sequence[Tensor], *, scale: int, random: Random, count: int) -> Estimate:
        """Estimate and standard deviation over draws that share one condition; see `Drawer.draws`.

        Draw i has the seed `random.seed + i`. The estimate is the picture of `fuse` where the weights make it in one
        step, which is the mean of what is probable, and the mean of the draws otherwise.

        Raises:
            WeightsError: if there are no weights, or they belong to another network.
        """
        raw = self.raw_draws(sources, scale=scale, random=random, count=count)
        spread = self._spread(scale, raw.mean.shape[1] > 1)
        if spread is None or raw.std is None:
            return raw
        return Estimate(raw.mean, spread.deviation(raw.std, raw.mean))

    def raw_draws(self, sources: Sequence[Tensor], *, scale: int, random: Random, count: int) -> Estimate:
        """The same with the plain standard deviation over draws, uncorrected by what is known of the weights."""
        model = self._model(sources[0].device)
        if _is_analytic(model, scale):
            fused = _in_kind(_sharp(sources, random), sources)
            return Estimate(fused, torch.zeros_like(fused[:, :1]))
        condition = self._condition(model, sources, scale, random)

        def drawn(seed: int, walk: Walk) -> Tensor:
            return _in_kind(to_display(model.sample(condition, Random(seed), walk, scale)), sources)

        as_they_want = self._walk == Walk(self.sampler)
        walk = Walk(self.sampler, model.behaviour.draw_steps) if as_they_want else self._walk
        pictures = torch.stack([drawn(random.seed + index, walk) for index in track(range(count), "draws")])
        in_one_step = as_they_want and model.behaviour.steps == 1
        estimate = drawn(random.seed, self._walk) if in_one_step else pictures.mean(dim=0)
        return Estimate(estimate, pictures.std(dim=0).mean(dim=1, keepdim=True))

    def intervals(self, scale: int, coloured: bool) -> dict[int, float]:
        """Half widths of intervals in units of the deviation that `draws` tells, by their level in percent.

        Measured on validation people; none where the weights have none.

        Raises:
            WeightsError: if there are no weights, or they belong to another network.
        """
        spread = self._spread(scale, coloured)
        return {} if spread is None else spread.intervals

    def _spread(self, scale: int, coloured: bool) -> Spread | None:
        """How the deviation of draws is to be read, where they are drawn as the weights want it."""
        behaviour = self._model(torch.device("cpu")).behaviour
        as_they_want = self._walk == Walk() and behaviour.steps == 1
        known = behaviour.spread.get(scale, {}) if as_they_want else {}
        return known.get("colour" if coloured else "grey")

    def _condition(self, model: Model, sources: Sequence[Tensor], scale: int, random: Random) -> Tensor:
        """All pictures that a model asks for, values -1..1."""
        three = triple(sources)
        made = [CONDITIONS[name](three, scale, random, self.degradation) for name in model.behaviour.conditions]
        return torch.cat(made, dim=1)

    @property
    def _walk(self) -> Walk:
        return Walk(self.sampler, self.steps, as_published=self.variant == "reference")

    def _model(self, device: torch.device) -> Model:
        name = self.weights or SHIPPED[self.quality]
        try:
            path = weights.path(name)
        except WeightsError as error:
            raise WeightsError(f"method tfs-diff: {error}; or give a checkpoint: --option weights=FILE") from None
        dtype = torch.bfloat16 if torch.is_autocast_enabled(device.type) else torch.float32
        told = None if self.config is None else official.read(Path(self.config))
        groups = self.norm_groups or (None if told is None else told.shape.norm_groups)
        model = load(path, norm_groups=groups, device=str(device), dtype=dtype)
        if told is not None:
            told.check(model.shape.config, str(path))
            model = replace(model, schedule=told.val)
        unknown = [each for each in model.behaviour.conditions if each not in CONDITIONS]
        if unknown:
            raise WeightsError(f"{path}: made for a newer trifuse (condition {unknown[0]!r} is not known)")
        wanted = sum(CHANNELS[each] for each in model.behaviour.conditions)
        if (model.condition_channels, model.image_channels) != (wanted, 3):
            raise WeightsError(
                f"{path}: a network for {model.condition_channels} condition and {model.image_channels} image channels;"
                f" tfs-diff needs {wanted} and 3"
            )
        return model


def triple(sources: Sequence[Tensor]) -> list[Tensor]:
    """Three sources of two or three: of two, the structural one comes twice, before the other.

    The structural one is the first that is grey, or the first if both have colour.
    """
    if len(sources) == 3:
        return list(sources)
    first, second = sources
    if not is_grey(first) and is_grey(second):
        first, second = second, first
    return [first, first, second]


def _is_analytic(model: Model, scale: int) -> bool:
    """Whether the analytic fusion is the answer: nothing is missing at x1 for weights that were taught to add to it."""
    return scale == 1 and bool(model.behaviour.deviation) and 1 not in model.behaviour.deviation


def _sharp(sources: Sequence[Tensor], random: Random) -> Tensor:
    """The analytic fusion of sources at full resolution."""
    return _analytic([source.float().expand(-1, 3, -1, -1) for source in triple(sources)], random)


def _in_kind(fused: Tensor, sources: Sequence[Tensor]) -> Tensor:
    """Grey if all sources are."""
    return fused.mean(dim=1, keepdim=True) if all(source.shape[1] == 1 for source in sources) else fused


def is_grey(source: Tensor) -> bool:
    """Whether a source `(B, C, H, W)` has one channel, or three that hardly differ."""
    return source.shape[1] == 1 or float((source.amax(dim=1) - source.amin(dim=1)).max()) < 0.02


def _bicubic_sources(
    sources: Sequence[Tensor], scale: int, random: Random, made: learned.Degradation = "bicubic"
) -> Tensor:
    return torch.cat([enlarged(source, scale) for source in sources], dim=1)


def _bitonicx(sources: Sequence[Tensor], scale: int, random: Random, made: learned.Degradation = "bicubic") -> Tensor:
    """The analytic fusion of the enlarged sources."""
    return _analytic([to_display(enlarged(source, scale)) for source in sources], random) * 2 - 1


def _learned_bitonicx(
    sources: Sequence[Tensor], scale: int, random: Random, made: learned.Degradation = "bicubic"
) -> Tensor:
    """The sources, enlarged by a trained one-pass network, and the analytic fusion of those."""
    ensemble = learned.SELF_ENSEMBLE.get(scale, 1)
    larger = [learned.enlarged(source, scale, ensemble=ensemble, degradation=made) for source in sources]
    return torch.cat([*larger, _analytic(larger, random)], dim=1) * 2 - 1


def _learned_rule(
    sources: Sequence[Tensor], scale: int, random: Random, made: learned.Degradation = "bicubic"
) -> Tensor:
    """The same, the analytic fusion corrected by a trained rule."""
    condition = _learned_bitonicx(sources, scale, random, made)
    return torch.cat([condition[:, :9], learned.corrected(to_display(condition), scale) * 2 - 1], dim=1)


def _learned(sources: Sequence[Tensor], scale: int, random: Random, made: learned.Degradation = "bicubic") -> Tensor:
    """The sources, enlarged by a trained one-pass network."""
    return torch.cat([learned.enlarged(source, scale, degradation=made) for source in sources], dim=1) * 2 - 1


def _analytic(sources: Sequence[Tensor], random: Random) -> Tensor:
    """BitonicX of sources `(B, 3, H, W)`, values 0..1, as `(B, 3, H, W)`; grey ones go in as one channel."""
    from trifuse.methods import get

    plain = [source[:, :1] if is_grey(source) else source for source in sources]
    fused = get("bitonicx")().fuse(plain, scale=1, random=random).mean
    return fused.expand(-1, 3, -1, -1).clamp(0, 1)


CONDITIONS: dict[str, Condition] = {
    "sources": _bicubic_sources,
    "bitonicx": _bitonicx,
    "learned": _learned,
    "learned-bitonicx": _learned_bitonicx,
    "learned-rule": _learned_rule,
}
"""The conditions that weights may ask for: bicubic sources, BitonicX of them, learned upsampling, BitonicX of it, as it
is or corrected by a trained rule."""

CHANNELS = {"sources": 9, "bitonicx": 3, "learned": 9, "learned-bitonicx": 12, "learned-rule": 12}
"""Channels of each condition."""
