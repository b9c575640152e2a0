"""DDFM-PALM: PALM in every reverse step of a diffusion chain, for an ultrasound image and a coarser MRI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.colour import LUMA
from trifuse.core.cost import Cost
from trifuse.core.errors import InputError, WeightsError
from trifuse.core.levels import levels
from trifuse.core.random import Random
from trifuse.diffusion.prior import ADMPrior, OwnPrior, prior_like
from trifuse.diffusion.proximal import PRIORLESS, ProximalPALM, PublishedPALM
from trifuse.diffusion.samplers import DDIM, SAMPLERS, gaussian, noisy_start, sample
from trifuse.diffusion.schedule import kept_steps, to_clean, uniform_lambda
from trifuse.filters.palm import Array
from trifuse.filters.palm_corrected import Problem, coupling_weight, noise_variance, solve
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.palm import PALM, own_range, stretched
from trifuse.methods.ranges import option

NOTES = """
Two sources of one field of view: the MRI first, then the ultrasound, on equal grids or the MRI coarser by a whole
number (then the order does not matter); any sizes. `variant=corrected` (default) lets the diffusion prior work: in
every reverse step it denoises the super-resolved MRI and the fused ultrasound, PALM takes both as plug-and-play priors
beside the data terms of both sensors, in place of its smoothness terms, and its result goes back into the chain. The
chain begins at what the sensors alone say, with noise; `prior=none` is PALM; `trust=0` is PALM without smoothness
terms. `variant=reference` reproduces the published program and its pictures. In each reverse step it replaces the luma
of the network's prediction by PALM of the sources, run anew and never shown that prediction, and it writes the luma of
the last step. What the network says only ever reaches the chroma, which is thrown away: the published result is PALM,
resized to sides that 32 divides (not cropped, so the proportions change a little; two grey pictures only, unless 32
divides their sides), stretched to 0..255 and truncated,
whatever network and number of steps were used. So no network is loaded for it unless `prior` names one of guided
diffusion. The published pictures need `palm_iterations` 1, 2 or 20, and `denoiser=none` or your own file of
DnCNN-S-25. Measured in docs/ddfm-palm.md.
"""

MULTIPLE = 32
"""Sides of the published network's pictures are multiples of this."""

OURS = "brain-prior"
"""The default prior, which the published program does not know."""

STEPS, PUBLISHED_STEPS = 4, 200
"""Reverse steps of the two variants."""

NOISE_MIN = 0.1
"""Noise of the last step of `corrected`."""


@method
@dataclass(frozen=True)
class DDFMPALM:
    """PALM in every reverse step of a diffusion chain.

    Source: Longin, "Denoising diffusion model for multi-modality image fusion with proximal alternating linearized
    minimization", University of Toulouse, 2025 (a program; DDFM: Zhao et al., ICCV 2023; PALM: El Mansouri et al.,
    IEEE TIP 29, 2020).
    """

    card: ClassVar[Card] = Card(
        name="ddfm-palm",
        title="DDFM-PALM (MRI and ultrasound)",
        summary="PALM with a diffusion prior, for an ultrasound image and a coarser MRI.",
        cites=("zhao2023ddfm", "elmansouri2020palm"),
        paper="Longin, University of Toulouse, 2025; Zhao et al., DDFM, ICCV 2023; El Mansouri et al., PALM, "
        "IEEE TIP 29:5324-5335, 2020",
        sources=(2, 2),
        native_grids=True,
        weights=OURS,
        stochastic=True,
        notes=NOTES.strip(),
        cost=Cost(fixed=3, per_pixel=1150, seconds=32),
    )

    variant: Literal["corrected", "reference"] = field(
        default="corrected", metadata={"help": "corrected, or the published program to the last digit"}
    )
    prior: str = field(
        default=OURS,
        metadata={"help": "diffusion prior: a name in the catalogue, a file (own, or guided diffusion's), or none"},
    )
    steps: int | None = option(None, "reverse steps; 4 (reference: 200) unless given", at_least=1)
    sampler: str = field(default="ddim", metadata={"help": f"how `corrected` takes the steps: {', '.join(SAMPLERS)}"})
    trust: float = option(1.0, "of the prior against the sensors, in `corrected`", at_least=0)
    noise: float = option(0.35, "noise at which `corrected` begins (values -1..1)", above=0)
    denoiser: str = field(
        default="small", metadata={"help": "of the ultrasound: small (ours), none, or the path of a DnCNN checkpoint"}
    )
    palm_iterations: int | None = option(
        None, "iterations of PALM before the chain (10), or per step of `reference` (1)", at_least=1
    )

    def __post_init__(self) -> None:
        SAMPLERS.get(self.sampler)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """The fused ultrasound on the finer grid; see `Method.fuse`.

        Raises:
            OptionError: if a number is out of range.
            WeightsError: if weights are absent, or are no prior.
        """
        if self.variant == "reference":
            return Estimate(self._published(sources, random), stretch=written)
        mri, us = sorted(sources, key=lambda source: source.shape[2])
        prior = None if self.prior == "none" else self._loaded(sources[0])
        images = [
            self._corrected(y1, y2, prior, Random(random.seed), sources[0].device)
            for y1, y2 in zip(_planes(mri), _planes(us), strict=True)
        ]
        return Estimate(torch.from_numpy(np.stack(images))[:, None].to(sources[0]), stretch=stretched)

    def _corrected(
        self, mri: Array, us: Array, prior: OwnPrior | ADMPrior | None, random: Random, device: torch.device
    ) -> Array:
        palm = PALM(iterations=self.palm_iterations or 10, denoiser=self.denoiser)
        pair = palm.pair(own_range(mri), own_range(us))
        if prior is None:
            return palm.solve(pair).fused * pair.us_top
        target = palm.target(pair)
        weights = replace(PRIORLESS, tau4=coupling_weight(pair, target))
        solution = solve(pair, target, weights, iterations=palm.iterations, tolerance=palm.tolerance)
        denoise = ProximalPALM(
            Problem(pair, target, weights),
            prior,
            (solution.super_resolved, solution.fused),
            (noise_variance(pair.ym), noise_variance(target)),
            self.trust,
        )
        noise = gaussian(random)
        walked = to_clean(uniform_lambda(self.steps or STEPS, min(self.noise, prior.noise_max), NOISE_MIN))
        start = noisy_start(denoise.state.to(device), float(walked[0]), noise)
        fused: Array = denoise.us(sample(SAMPLERS.get(self.sampler), denoise, start, walked, noise))
        return fused * pair.us_top

    def _published(self, sources: Sequence[Tensor], random: Random) -> Tensor:
        palm = PALM(variant="py", iterations=self.palm_iterations or 1, denoiser=self.denoiser, tau3=1e-4, tau4=2e-4)
        luma = resized(palm.fuse(sources, scale=1, random=random).mean.float())
        if self.prior in ("none", OURS):
            return luma
        prior = self._loaded(sources[0])
        if not isinstance(prior, ADMPrior):
            raise WeightsError(f"{self.prior}: no network of guided diffusion, which variant=reference takes")
        noise = gaussian(random)
        start = noise(luma.expand(-1, 3, -1, -1))
        kept = kept_steps(len(prior.levels), self.steps or PUBLISHED_STEPS)
        rgb = sample(DDIM(), PublishedPALM(prior, luma), start, to_clean(prior.levels[kept[::-1]]), noise)
        return torch.einsum("c,bchw->bhw", rgb.new_tensor(LUMA), rgb)[:, None]

    def _loaded(self, like: Tensor) -> OwnPrior | ADMPrior:
        try:
            return prior_like(self.prior, like)
        except WeightsError as error:
            raise WeightsError(f"method ddfm-palm: {error}; or go without: --option prior=none") from None


def _planes(source: Tensor) -> Array:
    planes: Array = levels(source)[:, 0].numpy()
    return planes


def resized(fused: Tensor) -> Tensor:
    """`(B, 1, H, W)` by torch's bicubic to the largest sides that 32 divides, as the published program has it.

    Raises:
        InputError: if a side is shorter than that.
    """
    size = [n // MULTIPLE * MULTIPLE for n in fused.shape[2:]]
    if 0 in size:
        height, width = fused.shape[2:]
        raise InputError(f"ddfm-palm: {height} x {width} pixels; variant=reference needs {MULTIPLE} on each side")
    return functional.interpolate(fused, size, mode="bicubic", align_corners=False)


def written(luma: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The 8-bit picture of each image `(B, 1, H, W)`, as values 0..1: stretched from `low`..`high`, truncated."""
    span = torch.where(high > low, high - low, 1)
    return ((luma - low) / span * 255).floor() / 255
