"""DDFM: fusion by a diffusion prior that is rectified towards the sources in every reverse step; no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse.diffusion.conditions import to_display
from trifuse.diffusion.prior import ADMPrior, OwnPrior, Prior, load_prior
from trifuse.diffusion.proximal import WEIGHTS, with_luma
from trifuse.diffusion.samplers import DDIM, SAMPLERS, gaussian, noisy_start, sample
from trifuse.diffusion.schedule import kept_steps, noise_of, to_clean, uniform_lambda
from trifuse.errors import OptionError, WeightsError
from trifuse.filters.laplace_em import Splitting, laplace_step, mean_distance, published_step
from trifuse.methods.base import Card, method, own_range
from trifuse.random import Random

STEPS, PUBLISHED_STEPS = 5, 100
"""Reverse steps of the two variants."""

NOISE_MIN = 0.02
"""Noise of the last step of `corrected`."""

LUMA = (0.299, 0.587, 0.114)

NOTES = """
variant=corrected (default): a likelihood of Laplace noise around every source, prod_k exp(-|f - s_k| / b) / 2 b, with
one scale b for all of them, and the prior's estimate with the variance that it has at the step's noise. The chain
begins at the mean of the sources with a little noise. For two sources that is the paper's model without its total
variation; for more it is our generalisation, in which the order does not matter. On clean sources it stays near their
mean, which most metrics reward less than the maximum (docs/ddfm.md). variant=reference repeats the published program:
two sources, RGB by studio-range luma, from pure noise, one EM step that returns i - X where the paper has v + X (it
moves away from the estimate), a result stretched to its own minimum and maximum. Corrected is the default because it
keeps the sources' grey levels and runs with the prior that ships. That is ours, of grey brain slices (brain-prior);
prior=FILE takes the published one, 256x256_diffusion_uncond.pt of guided diffusion (2 GB), or your own of the
training task `unconditional`.
"""


@method
@dataclass(frozen=True)
class DDFM:
    """Draws images that are probable under a prior and near to all sources.

    Source: Zhao et al., DDFM: Denoising Diffusion Model for Multi-Modality Image Fusion, ICCV 2023.
    """

    card: ClassVar[Card] = Card(
        name="ddfm",
        title="DDFM",
        summary="An unconditional diffusion model denoises step by step; each time its estimate is drawn to the "
        "sources by expectation-maximisation. Needs no training on pairs.",
        paper="Zhao, Bai, Zhu, Zhang, Xu, Zhang, Zhang, Meng, Timofte, Van Gool, DDFM: Denoising Diffusion Model for "
        "Multi-Modality Image Fusion, ICCV 2023",
        sources=(2, None),
        weights="brain-prior",
        stochastic=True,
        min_size=2,
        notes=NOTES.strip(),
    )

    prior: str = field(default="brain-prior", metadata={"help": "weights: a name in the catalogue, or a file"})
    variant: Literal["corrected", "reference"] = field(
        default="corrected", metadata={"help": "reference: as the published program, for two sources"}
    )
    steps: int | None = field(default=None, metadata={"help": f"reverse steps; {STEPS}, reference: {PUBLISHED_STEPS}"})
    sampler: Literal["ancestral", "ddim", "dpm++2m", "unipc2", "heun"] = field(
        default="ddim", metadata={"help": "how corrected walks"}
    )
    noise: float = field(
        default=0.1, metadata={"help": "of corrected at its start, the mean of the sources; values -1..1"}
    )
    trust: float = field(default=0.1, metadata={"help": "of the prior against the sources, above 0"})

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Tensor:
        """Fuses grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            OptionError: if an option is out of range, or `reference` is asked to fuse other than two sources.
            WeightsError: if there are no weights, or they are of another network.
        """
        raw = self.raw(sources, scale=scale, random=random)
        return self.shown(raw, *own_range(raw))

    def raw(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Tensor:
        """See `Stretcher.raw`."""
        if self.trust <= 0 or self.noise <= NOISE_MIN or (self.steps is not None and self.steps < 1):
            raise OptionError(f"method ddfm: trust must be above 0, noise above {NOISE_MIN}, steps 1 or more")
        prior = self._loaded(sources[0])
        signals = [2 * source.float() - 1 for source in sources]
        if self.variant == "reference":
            return self._published(prior, signals, random)
        denoise = LaplaceEM(prior, torch.stack(signals), self.trust)
        noise = gaussian(random)
        levels = to_clean(uniform_lambda(self.steps or STEPS, min(self.noise, prior.noise_max), NOISE_MIN))
        mean = torch.stack(signals).mean(dim=0).expand(-1, prior.channels, -1, -1)
        start = noisy_start(mean, float(levels[0]), noise)
        drawn = sample(SAMPLERS[self.sampler], denoise, start, levels, noise)
        return to_display(drawn).mean(dim=1, keepdim=True).clamp(0, 1)

    def _published(self, prior: OwnPrior | ADMPrior, signals: Sequence[Tensor], random: Random) -> Tensor:
        if len(signals) != 2:
            raise OptionError("method ddfm: variant=reference fuses two sources; fold more, or take corrected")
        if not isinstance(prior, ADMPrior):
            raise WeightsError("method ddfm: variant=reference takes weights of guided diffusion; give prior=FILE")
        noise = gaussian(random)
        start = noise(signals[0].expand(-1, 3, -1, -1))
        levels = to_clean(prior.levels[kept_steps(len(prior.levels), self.steps or PUBLISHED_STEPS)[::-1]])
        rgb = sample(DDIM(), PublishedEM(prior, signals[0], signals[1]), start, levels, noise)
        return torch.einsum("c,bchw->bhw", rgb.new_tensor(LUMA), rgb)[:, None]

    def shown(self, raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """See `Stretcher.shown`: the reference variant is stretched to 0..1."""
        return (raw - low) / (high - low).clamp_min(1e-12) if self.variant == "reference" else raw

    def _loaded(self, like: Tensor) -> OwnPrior | ADMPrior:
        autocast = torch.is_autocast_enabled(like.device.type)
        try:
            return load_prior(self.prior, device=str(like.device), dtype=torch.bfloat16 if autocast else torch.float32)
        except WeightsError as error:
            raise WeightsError(f"method ddfm: {error}; or give a checkpoint: --option prior=FILE") from None


class LaplaceEM:
    r"""The prior's estimate, rectified towards all sources by `laplace_step`.

    The estimate at noise \(\sigma\) is taken for uncertain by \(\tau^2 = t \sigma^2 / (1 + \sigma^2)\), what is left of
    unit variance after seeing it (Song et al., "Pseudoinverse-guided diffusion models", ICLR 2023, section 3.3).

    Args:
        prior: denoiser.
        sources: `(N, B, 1, H, W)`, -1..1.
        trust: 1/t of the formula.
    """

    def __init__(self, prior: Prior, sources: Tensor, trust: float = 1.0) -> None:
        self.prior, self.sources, self.trust = prior, sources, trust
        self.scale = mean_distance(sources.mean(dim=0), sources)

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate; see `Denoiser`."""
        proposal = self.prior(x, level).mean(dim=1, keepdim=True)
        noise = float(noise_of(level))
        variance = max(noise**2 / (1 + noise**2) / self.trust, 1e-6)
        fused, self.scale = laplace_step(proposal, self.sources, self.scale, variance)
        return fused.expand_as(x)


class PublishedEM:
    """The reverse step of the published program: the estimate's luma goes through `published_step`.

    Args:
        prior: a network of guided diffusion.
        first, second: sources `(B, 1, H, W)`, -1..1; the program is given visible and infrared.
        smoothness, penalty: of the step.
    """

    def __init__(
        self, prior: ADMPrior, first: Tensor, second: Tensor, smoothness: float = 0.5, penalty: float = 0.001
    ) -> None:
        self.prior, self.first, self.second = prior, first, second
        self.smoothness, self.penalty = smoothness, penalty
        self.memory = Splitting.start(first)

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate `(B, 3, H, W)`; see `Denoiser`."""
        rgb = self.prior(x, level)
        fused, self.memory = published_step(
            studio_luma(rgb), self.first, self.second, self.memory, self.smoothness, self.penalty
        )
        return with_luma(rgb, fused)


def studio_luma(rgb: Tensor) -> Tensor:
    """Luma of ITU-R BT.601 in studio range over 255, `(B, 1, H, W)`, of values -1..1 as if they were 0..1."""
    return (16 + torch.einsum("c,bchw->bhw", rgb.new_tensor(WEIGHTS), rgb)[:, None]) / 255
