"""DDFM: a diffusion prior rectified towards the sources in every reverse step, and a fusion of what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trifuse.core.colour import LUMA
from trifuse.core.cost import Cost
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.diffusion.conditions import to_display
from trifuse.diffusion.prior import ADMPrior, OwnPrior, Prior, prior_like
from trifuse.diffusion.proximal import WEIGHTS, with_luma
from trifuse.diffusion.samplers import DDIM, SAMPLERS, Sampler, gaussian, sample
from trifuse.diffusion.schedule import kept_steps, noise_of, to_clean, uniform_lambda
from trifuse.filters.laplace_em import Splitting, laplace_step, published_step
from trifuse.filters.source_mixture import mixture_fit
from trifuse.filters.tissue_noise import tissue_noise
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

STEPS, PUBLISHED_STEPS = 2, 100
"""Reverse steps of the two variants."""

REACH = 0.3
"""Noise at the last of several steps, of that at the first."""

TEXTURE = 4 / 255
"""What `tissue_noise` finds in clean pictures, values 0..1."""

CLEAN = 1 / 255
"""Noise below which a source is taken as it is: half a step of 8 bits either way."""

NOTES = """
variant=corrected (default) has two layers. Sources may be noisy: y_k = s_k + Laplace noise. A noisy picture is a state
of the diffusion at the level of its own noise (estimated, or noise=), so its reverse chain starts there, not from pure
noise, and each step's estimate is drawn to y_k by the paper's EM step. Fused image: at each pixel hidden labels say
which clean source gives the grey level (greater local energy) and which the gradient (greater local contrast); the
most probable image given them solves a screened Poisson equation. This stands where the paper has total variation of f
- v, which is gradients drawn to those of the second source: ours takes any number of sources in any order, and no
source takes over. Sources without noise skip the prior, which has nothing to add there. noise=0 goes without it.
--samples draws the clean sources anew each time. variant=reference repeats the published program: two sources, RGB by
studio-range luma, from pure noise, one EM step that returns i - X where the paper has v + X (it moves away from the
estimate), a result stretched to its own minimum and maximum. Corrected is the default because it measures better
(docs/ddfm.md), keeps the sources' grey levels and runs with the prior that ships. That is ours, of grey brain slices
(brain-prior); prior=FILE takes the published one, 256x256_diffusion_uncond.pt of guided diffusion (2 GB), or your own
of the training task `unconditional`.
"""


@method
@dataclass(frozen=True)
class DDFM:
    r"""Fuses what a diffusion prior takes for the clean sources.

    `corrected`: for each noisy source y with noise \(\sigma\), the reverse chain from \(x = a y\) at the level of
    \(\sigma\), with `laplace_step` on every estimate, gives s; then `mixture_fit` of all s.

    Source: Zhao et al., DDFM: Denoising Diffusion Model for Multi-Modality Image Fusion, ICCV 2023.
    """

    card: ClassVar[Card] = Card(
        name="ddfm",
        title="DDFM",
        summary="An unconditional diffusion model cleans the sources, step by step and held to them by "
        "expectation-maximisation; each pixel follows the source that shows most there. Needs no training on pairs.",
        cites=("zhao2023ddfm",),
        paper="Zhao, Bai, Zhu, Zhang, Xu, Zhang, Zhang, Meng, Timofte, Van Gool, DDFM: Denoising Diffusion Model for "
        "Multi-Modality Image Fusion, ICCV 2023",
        sources=(2, None),
        weights="brain-prior",
        stochastic=True,
        min_size=2,
        notes=NOTES.strip(),
        cost=Cost(per_pixel=550, seconds=11),
    )

    prior: str = field(default="brain-prior", metadata={"help": "weights: a name in the catalogue, or a file"})
    variant: Literal["corrected", "reference"] = field(
        default="corrected", metadata={"help": "reference: as the published program, for two sources"}
    )
    steps: int | None = option(None, f"reverse steps; {STEPS}, reference: {PUBLISHED_STEPS}", at_least=1)
    sampler: str = field(
        default="ddim",
        metadata={"help": f"how corrected walks: {', '.join(SAMPLERS)}; ancestral for every draw of --samples"},
    )
    noise: float | None = option(
        None, "of the sources, for corrected; estimated from each unless given; 0: no prior", at_least=0
    )
    trust: float = option(30.0, "of the prior against the noisy sources, above 0", above=0)

    def __post_init__(self) -> None:
        SAMPLERS.get(self.sampler)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses grey sources `(B, 1, H, W)`; see `Method.fuse`.

        Raises:
            OptionError: if an option is out of range, or `reference` is asked to fuse other than two sources.
            WeightsError: if there are no weights, or they are of another network.
        """
        if self.variant == "reference":
            return Estimate(self._published([2 * source.float() - 1 for source in sources], random), stretch=stretched)
        return Estimate(self._corrected(sources, random, SAMPLERS.get(self.sampler)))

    def draws(self, sources: Sequence[Tensor], *, scale: int, random: Random, count: int) -> Estimate:
        """The fusion, and its standard deviation over draws of the clean sources; see `Drawer.draws`.

        Draw i has the seed `random.seed + i`. The estimate of `reference` is the mean of its draws.
        """
        seeds = [Random(random.seed + index) for index in range(count)]
        if self.variant == "reference":
            drawn = [self.fuse(sources, scale=scale, random=seed).picture for seed in track(seeds, "draws")]
            pictures = torch.stack(drawn)
            return Estimate(pictures.mean(dim=0), pictures.std(dim=0))
        sampler = SAMPLERS.get("ancestral")
        pictures = torch.stack([self._corrected(sources, seed, sampler) for seed in track(seeds, "draws")])
        return Estimate(self._corrected(sources, random, SAMPLERS.get(self.sampler)), pictures.std(dim=0))

    def _corrected(self, sources: Sequence[Tensor], random: Random, sampler: Sampler) -> Tensor:
        given = torch.stack([source.float() for source in sources])
        if self.noise == 0:
            return mixture_fit(given).clamp(0, 1)
        prior = self._loaded(sources[0])
        clean = [self._cleaned(picture[None], prior, random, sampler) for picture in given.flatten(0, 1)]
        return mixture_fit(torch.cat(clean).view(given.shape)).clamp(0, 1)

    def _cleaned(self, picture: Tensor, prior: Prior, random: Random, sampler: Sampler) -> Tensor:
        """What the prior takes for the clean picture `(1, 1, H, W)`, 0..1."""
        noise = self.noise
        if noise is None:
            noise = max(tissue_noise(picture[0, 0]) ** 2 - TEXTURE**2, 0.0) ** 0.5
        if noise < CLEAN:
            return picture
        observed = 2 * picture - 1
        top = min(2 * noise, prior.noise_max)
        levels = to_clean(uniform_lambda(self.steps or STEPS, top, REACH * top))
        start = float(levels[0]) * observed.expand(-1, prior.channels, -1, -1)
        walked = sample(sampler, Rectified(prior, observed, self.trust), start, levels, gaussian(random))
        return to_display(walked).mean(dim=1, keepdim=True)

    def _published(self, signals: Sequence[Tensor], random: Random) -> Tensor:
        if len(signals) != 2:
            raise OptionError("method ddfm: variant=reference fuses two sources; fold more, or take corrected")
        prior = self._loaded(signals[0])
        if not isinstance(prior, ADMPrior):
            raise WeightsError("method ddfm: variant=reference takes weights of guided diffusion; give prior=FILE")
        noise = gaussian(random)
        start = noise(signals[0].expand(-1, 3, -1, -1))
        levels = to_clean(prior.levels[kept_steps(len(prior.levels), self.steps or PUBLISHED_STEPS)[::-1]])
        rgb = sample(DDIM(), PublishedEM(prior, signals[0], signals[1]), start, levels, noise)
        return torch.einsum("c,bchw->bhw", rgb.new_tensor(LUMA), rgb)[:, None]

    def _loaded(self, like: Tensor) -> OwnPrior | ADMPrior:
        try:
            return prior_like(self.prior, like)
        except WeightsError as error:
            raise WeightsError(f"method ddfm: {error}; or give a checkpoint: --option prior=FILE") from None


def stretched(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Images stretched from `low`..`high` to 0..1."""
    return (images - low) / (high - low).clamp_min(1e-12)


class Rectified:
    r"""The prior's estimate, drawn to a noisy picture by `laplace_step`.

    The estimate at noise \(\sigma\) is taken for uncertain by \(\tau^2 = \sigma^2 / (1 + \sigma^2) / t\): what is
    left of unit variance after seeing it (Song et al., "Pseudoinverse-guided diffusion models", ICLR 2023, section
    3.3), divided by the trust t, since a prior knows more than the variance.

    Args:
        prior: denoiser.
        observed: `(B, 1, H, W)`, -1..1.
        trust: t.
    """

    def __init__(self, prior: Prior, observed: Tensor, trust: float) -> None:
        self.prior, self.observed, self.trust = prior, observed, trust

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate; see `Denoiser`."""
        proposal = self.prior(x, level).mean(dim=1, keepdim=True)
        noise = float(noise_of(level))
        return laplace_step(proposal, self.observed, noise**2 / (1 + noise**2) / self.trust).expand_as(x)


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
