r"""Priors: unconditional diffusion models as denoisers, ours and the published one.

A method that brings its own data term (DDFM, DDFM-PALM) asks a prior one thing: which clean image is probable behind a
noisy one. Levels are those of the variance-preserving process, \(x = a x_0 + s z\), values -1..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse import weights
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.diffusion.conditions import to_display
from trifuse.diffusion.denoiser import NetworkDenoiser, NoisePrediction, prediction
from trifuse.diffusion.model import Model, behaviour_of
from trifuse.diffusion.model import load as load_model
from trifuse.diffusion.samplers import SAMPLERS, gaussian, sample
from trifuse.diffusion.schedule import Levels, Schedule, noise_of, to_clean, uniform_lambda
from trifuse.nets.adm_unet import ADMUNet, from_state
from trifuse.nets.state import flat

OFFICIAL = Schedule.make("linear", 1000, 1e-4, 0.02)
"""The schedule that the published network was trained with (Ho et al. 2020)."""


class Prior(Protocol):
    """A denoiser that knows which noise it was taught up to."""

    @property
    def channels(self) -> int:
        """Channels of its images: 1 (grey) or 3."""
        ...

    @property
    def noise_max(self) -> float:
        r"""Where a chain begins, as noise \(\sigma = s / a\) of the unscaled image."""
        ...

    def __call__(self, x: Tensor, level: float) -> Tensor:
        r"""\(\hat x_0\) in -1..1 of `(B, channels, H, W)` at level \(a\); any H and W."""
        ...


@dataclass(frozen=True, eq=False)
class OwnPrior:
    """Weights that the task `unconditional` makes.

    Attributes:
        model: network and behaviour.
    """

    model: Model

    @property
    def channels(self) -> int:
        """See `Prior`."""
        return self.model.image_channels

    @property
    def noise_max(self) -> float:
        """See `Prior`."""
        return self.model.behaviour.noise_max

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """See `Prior`."""
        predicts = prediction(self.model.behaviour.prediction)
        return NetworkDenoiser(self.model.network, x[:, :0], predicts)(x, level)


@dataclass(frozen=True, eq=False)
class ADMPrior:
    """The published network: noise and variance of RGB images, of which the noise is used.

    Attributes:
        network: the U-Net.
        schedule: what its times count.
    """

    network: ADMUNet
    schedule: Schedule = OFFICIAL

    @property
    def channels(self) -> int:
        """See `Prior`."""
        return self.network.config.in_channels

    @property
    def noise_max(self) -> float:
        """See `Prior`."""
        return float(noise_of(self.schedule.levels[-1]))

    @property
    def levels(self) -> Levels:
        """The levels of its training, cleanest first."""
        return self.schedule.levels[1:]

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """See `Prior`; the network computes in the type of its weights."""
        return self.unclamped(x, level).clamp(-1, 1)

    def unclamped(self, x: Tensor, level: float) -> Tensor:
        """The estimate before it is clamped to -1..1."""
        dtype = self.network.out[2].weight.dtype

        def noise(images: Tensor, time: Tensor) -> Tensor:
            said: Tensor = self.network(images.to(dtype), time)  # type: ignore[arg-type]
            return said[:, : self.channels].float()

        time = self.schedule.index_of
        denoise = NetworkDenoiser(noise, x[:, :0], NoisePrediction(), clamp=None, time=time)  # type: ignore[arg-type]
        return denoise(x, level)


def load_prior(
    name: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32, head_channels: int = 64
) -> OwnPrior | ADMPrior:
    """A prior by its name in the catalogue or by a file, own (safetensors) or of guided diffusion (`.pt`).

    Args:
        name: of the weights, or a path.
        device: where it computes.
        dtype: type of its weights; bfloat16 halves the memory of the published network (2 GB).
        head_channels: channels per attention head of a guided-diffusion network, which its file does not tell.

    Raises:
        WeightsError: if there are no such weights, they are damaged, or they want a condition.
    """
    return weights.kept(_load, weights.path(name), device, dtype, head_channels)


def prior_like(name: str, like: Tensor) -> OwnPrior | ADMPrior:
    """`load_prior` on the device of a tensor, in bfloat16 under autocast."""
    autocast = torch.is_autocast_enabled(like.device.type)
    return load_prior(name, device=str(like.device), dtype=torch.bfloat16 if autocast else torch.float32)


def drawn(prior: Prior, count: int, side: int, steps: int, seed: int = 0) -> Tensor:
    """Pictures `(count, channels, side, side)` that a prior takes for probable, values 0..1; picture i has the seed
    `seed + i`. DPM-Solver++(2M) from pure noise.

    Raises:
        OptionError: if there are no pictures or steps to make.
    """
    if count < 1 or steps < 1:
        raise OptionError(f"{count} samples in {steps} steps make no picture; give 1 or more of both")
    levels = to_clean(uniform_lambda(steps, prior.noise_max, 0.02))
    pictures = []
    with torch.inference_mode():
        for index in track(range(count), "samples"):
            noise = gaussian(Random(seed + index))
            start = noise(torch.empty(1, prior.channels, side, side))
            pictures.append(to_display(sample(SAMPLERS.get("dpm++2m"), prior, start, levels, noise)).clamp(0, 1))
    return torch.cat(pictures)


def sheet(pictures: Tensor, gap: int = 2) -> NDArray[np.float32]:
    """Pictures `(N, C, H, W)` in rows of about equal length, black between them: `(C, H', W')`."""
    count, channels, height, width = pictures.shape
    columns = math.ceil(math.sqrt(count))
    page = np.zeros((channels, -(-count // columns) * (height + gap) + gap, columns * (width + gap) + gap), np.float32)
    for index, picture in enumerate(pictures.cpu().numpy()):
        top, left = (gap + place * (n + gap) for place, n in zip(divmod(index, columns), (height, width), strict=True))
        page[:, top : top + height, left : left + width] = picture
    return page


def _load(path: Path, device: str, dtype: torch.dtype, head_channels: int) -> OwnPrior | ADMPrior:
    state = flat(weights.load(path))
    if "time_embed.0.weight" in state:
        network = from_state(state, str(path), head_channels).to(device=device, dtype=dtype)
        if network.config.out_channels not in (network.config.in_channels, 2 * network.config.in_channels):
            raise WeightsError(f"{path}: predicts neither noise nor noise and variance")
        return ADMPrior(network)
    del state
    behaviour = behaviour_of(path)
    model = load_model(path, norm_groups=behaviour.norm_groups, device=device, dtype=dtype)
    if model.condition_channels:
        raise WeightsError(f"{path}: a network with a condition; a prior is one of the task `unconditional`")
    return OwnPrior(model)
