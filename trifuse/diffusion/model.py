"""A trained model of the SR3 family: network, noise schedule, and how it wants to be sampled.

Official checkpoints hold only the network and the schedule; they predict noise. Our own are safetensors files whose
metadata entry `trifuse` is a `Behaviour` in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from trifuse import weights
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.random import Random
from trifuse.diffusion.conditions import BASES, foreground
from trifuse.diffusion.denoiser import NetworkDenoiser, prediction
from trifuse.diffusion.samplers import SAMPLERS, gaussian, sample
from trifuse.diffusion.schedule import Levels, Schedule, full, to_clean, uniform_index, uniform_lambda
from trifuse.diffusion.spread import Spread
from trifuse.nets.folded import Folded
from trifuse.nets.sr3_inference import for_inference
from trifuse.nets.sr3_unet import SR3UNet, from_state_dict

METADATA = "trifuse"
"""Name of the entry in a safetensors file's metadata that holds the `Behaviour`."""


class Behaviour(BaseModel):
    r"""What the weights themselves do not say about a model.

    Attributes:
        prediction: what the network predicts: "noise", "x0" or "v".
        norm_groups: groups of its normalisations.
        conditions: names of the pictures it is conditioned on, in the order of its channels; those that exist are
            said by the method that uses the model.
        base: the picture that the diffusion is relative to (`conditions.BASES`): what is noised and denoised is
            \((x - base) / d\), so that noise is counted in units of what the condition leaves open.
        deviation: d at each scale, root mean square of x - base in training; 1 for scales not named.
        unfold: side of the blocks that are folded into channels (1: none).
        sampler: name of the sampler it is best walked with.
        steps: evaluations of the network that lose nothing measurable; one step from pure noise gives the mean of what
            is probable.
        temperature: share of the noise that a picture made in one step begins with, at each scale; 1 for scales not
            named. That noise tells nothing: less of it is nearer to the mean, more leaves the texture of a draw.
        draw_steps: evaluations that make one draw from what is probable.
        spread: how the deviation of draws is to be read at each scale in grey and in coloured pictures ("grey",
            "colour"); as it is where not named.
        noise_max, noise_min: where the walk begins and ends, as noise of the unscaled image (values -1..1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction: Literal["noise", "x0", "v"] = "noise"
    norm_groups: int = Field(default=32, ge=1)
    conditions: tuple[str, ...] = ("sources",)
    base: Literal["none", "last", "brightest"] = "none"
    deviation: dict[int, float] = Field(default_factory=dict)
    unfold: int = Field(default=1, ge=1)
    sampler: str = "dpm++2m"
    steps: int = Field(default=20, ge=1)
    temperature: dict[int, float] = Field(default_factory=dict)
    draw_steps: int = Field(default=20, ge=1)
    spread: dict[int, dict[Literal["grey", "colour"], Spread]] = Field(default_factory=dict)
    noise_max: float = Field(default=20.0, gt=0)
    noise_min: float = Field(default=0.002, gt=0)


@dataclass(frozen=True)
class Walk:
    """How a model is sampled, where its own way is not wanted.

    Attributes:
        sampler: name of a sampler.
        steps: number of steps.
        as_published: the ancestral sampler over the steps of training, all of them unless `steps` is given.
    """

    sampler: str | None = None
    steps: int | None = None
    as_published: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to be sampled.

    Attributes:
        network: takes condition and noisy image, and the level.
        shape: the U-Net in it.
        behaviour: how to use it.
        schedule: the noise schedule it was trained with.
    """

    network: nn.Module
    shape: SR3UNet
    behaviour: Behaviour
    schedule: Schedule

    @property
    def condition_channels(self) -> int:
        """Channels of the condition that the network takes."""
        config = self.shape.config
        return (config.in_channels - config.out_channels) // self.behaviour.unfold**2

    @property
    def image_channels(self) -> int:
        """Channels of the image that it makes."""
        return self.shape.config.out_channels // self.behaviour.unfold**2

    def levels(self, walk: Walk) -> Levels:
        """The levels that a walk visits.

        Raises:
            OptionError: if its number of steps cannot be.
        """
        if walk.as_published:
            return full(self.schedule) if walk.steps is None else uniform_index(self.schedule, walk.steps)
        steps = self.behaviour.steps if walk.steps is None else walk.steps
        if steps < 1:
            raise OptionError(f"{steps} sampling steps make no picture; give 1 or more")
        return to_clean(uniform_lambda(steps, self.behaviour.noise_max, self.behaviour.noise_min))

    def sample(self, condition: Tensor, random: Random, walk: Walk | None = None, scale: int = 1) -> Tensor:
        """Draws images `(B, image_channels, H, W)`, values -1..1, for conditions `(B, condition_channels, H, W)`.

        The state of the walk is float32 whatever the type of the weights. `scale` is the magnification that the
        condition was made at. What is added to a picture of the condition is nothing where all of them are black.

        Raises:
            OptionError: if the sampler does not exist, or the number of steps cannot be.
        """
        walk = walk or Walk()
        name = walk.sampler or ("ancestral" if walk.as_published else self.behaviour.sampler)
        sampler = SAMPLERS.get(name)
        time = self.schedule.index_of if self.shape.config.embedding == "index" else float
        base = BASES[self.behaviour.base](condition)
        clamp = 1.0 if base is None else None
        denoise = NetworkDenoiser(self.network, condition, prediction(self.behaviour.prediction), clamp, time)
        noise = gaussian(random)
        batch, _, height, width = condition.shape
        start = noise(condition.new_empty((batch, self.image_channels, height, width)))
        levels = self.levels(walk)
        if len(levels) == 2:
            start = start * self.behaviour.temperature.get(scale, 1.0)
        drawn = sample(sampler, denoise, start, levels, noise)
        if base is None:
            return drawn
        missing = self.behaviour.deviation.get(scale, 1.0) * drawn * foreground(condition, scale)
        return (base + missing).clamp(-1, 1)


def load(
    path: str | Path, *, norm_groups: int | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Model:
    """Reads a checkpoint; the same file is read only once.

    Args:
        path: official `.pth` file or own safetensors file.
        norm_groups: where the file does not tell and it is not 32.
        device: where the network computes.
        dtype: type of its weights; bfloat16 is several times faster on CPUs that have it.

    Raises:
        WeightsError: if the file cannot be read, or holds another network.
    """
    return weights.kept(_load, path, norm_groups, device, dtype)


def _load(path: Path, norm_groups: int | None, device: str, dtype: torch.dtype) -> Model:
    behaviour = behaviour_of(path)
    state = weights.load(path)
    try:
        shape = from_state_dict(state, norm_groups=norm_groups or behaviour.norm_groups)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    schedule = schedule_of(state)
    shape = for_inference(shape, device=device, dtype=dtype)
    network = Folded(shape, behaviour.unfold) if behaviour.unfold > 1 else shape
    return Model(network, shape, behaviour, schedule)


def behaviour_of(path: str | Path) -> Behaviour:
    """The behaviour that a file's metadata describe; that of the official programs if it has none.

    Raises:
        WeightsError: if it is damaged.
    """
    described = weights.metadata(path).get(METADATA)
    if described is None:
        return Behaviour()
    try:
        return Behaviour.model_validate_json(described)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WeightsError(f"{path}: metadata {METADATA!r}, field {where}: {first['msg']}") from None


def schedule_of(state: Mapping[str, Tensor]) -> Schedule:
    """The schedule whose buffers a checkpoint holds; TFS-Diff's, linear in 4000 steps, if it holds none.

    The stored float32 values are replaced by the linear schedule in float64 that they were rounded from, if it is one.
    """
    stored = next((value for name, value in state.items() if name.removeprefix("module.") == "betas"), None)
    if stored is None:
        return Schedule.make("linear", 4000, 1e-6, 1e-2)
    betas = stored.double().numpy()
    ends = (float(f"{betas[0]:.6g}"), float(f"{betas[-1]:.6g}"))
    linear = Schedule.make("linear", len(betas), *ends)
    rounded = np.array_equal(linear.betas.astype(np.float32), stored.float().numpy())
    return linear if rounded else Schedule(betas)
