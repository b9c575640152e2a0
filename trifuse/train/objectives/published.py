r"""SR3 and TFS-Diff as their programs train them: the network says the noise, by the schedule of a configuration file.

One step of the forward process is drawn for the whole batch, for every picture a level between that step's and the one
before. Of the noise the absolute error counts. TFS-Diff's program adds a structural term that compares the clean
picture with the predicted noise, divided by the number of values, so that it weighs nothing to speak of; it is kept.
What the papers say beyond that (squared error, moving average, the gate on the condition alone) the programs do not.

Source: Saharia et al., IEEE TPAMI 2022; Xu et al., MICCAI 2024; and the two programs.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.core.errors import InputError, OptionError
from trifuse.core.random import Random
from trifuse.diffusion.conditions import to_display
from trifuse.diffusion.denoiser import noised
from trifuse.diffusion.model import METADATA, Behaviour, Model
from trifuse.diffusion.schedule import Schedule, ScheduleName
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet
from trifuse.train.data.augment import Pixels
from trifuse.train.data.prepared import bytes_of
from trifuse.train.data.stacks import OfficialStacks
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.losses.ssim import ssim_map
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.objectives.diffusion import check_official
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.part import Part

SHOWN = 3
"""Validation pictures that are sampled, as in the programs."""


class Noise(Part):
    """The forward process; see `Schedule.make`."""

    schedule: ScheduleName = "linear"
    steps: int = Field(default=4000, ge=1)
    start: float = Field(default=1e-6, gt=0)
    end: float = Field(default=1e-2, gt=0)


class Settings(Part):
    """Settings of the objective `published-diffusion`, which an official JSON configuration fills.

    Attributes:
        channels, multipliers, res_blocks, norm_groups, attention_levels, dropout: as in `UNetConfig`.
        embedding: "level" (`which_model_G: sr3`), or "index" (`ddpm`), whose levels are those of whole steps.
        noise: the forward process.
    """

    task: Literal["published-diffusion"] = "published-diffusion"
    channels: int = 64
    multipliers: tuple[int, ...] = (1, 2, 4, 8, 8)
    res_blocks: int = 2
    norm_groups: int = 32
    attention_levels: tuple[int, ...] = (4,)
    dropout: float = 0.0
    embedding: Literal["level", "index"] = "level"
    noise: Noise = Noise()


class Published(nn.Module):
    """The U-Net and the schedule that its weights belong to."""

    betas: Tensor

    def __init__(self, network: SR3UNet, schedule: Schedule) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("betas", torch.from_numpy(schedule.betas.astype(np.float32)))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """See `SR3UNet`."""
        said: Tensor = self.network(x, level)
        return said


class PublishedObjective(Objective[Settings]):
    """See the module, and `Objective`."""

    Settings = Settings
    patches = Patches(least=8, scales=True)

    def check(self) -> None:
        """See `Objective`.

        Raises:
            InputError: if the data are not in the programs' layout, or there is no such schedule.
        """
        if not isinstance(self.run.data, OfficialLayout):
            raise InputError(
                "field data.kind: published-diffusion learns from the programs' own folders; give official"
            )
        check_official(self.run, self.run.data)
        try:
            self.schedule  # noqa: B018 - made, and so checked
        except (OptionError, ValueError) as error:
            raise InputError(f"field model.noise: {error}") from None

    @cached_property
    def schedule(self) -> Schedule:
        """The forward process."""
        noise = self.settings.noise
        return Schedule.make(noise.schedule, noise.steps, noise.start, noise.end)

    @property
    def data(self) -> OfficialLayout:
        """The folders."""
        assert isinstance(self.run.data, OfficialLayout)
        return self.run.data

    def build(self) -> nn.Module:
        """A network whose convolutions and linear layers are orthogonal, without bias, as the programs begin."""
        settings, count = self.settings, 3 * self.data.sources
        shape = UNetConfig(
            in_channels=count + 3,
            out_channels=3,
            se_scope="input" if self.data.sources == 3 else "none",
            **{name: getattr(settings, name) for name in UNetConfig.model_fields if name in Settings.model_fields},
        )
        network = SR3UNet(shape)
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        return Published(network, self.schedule).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def stacks(self) -> OfficialStacks:
        """Training pictures."""
        return OfficialStacks.of(self.data, "train")

    @cached_property
    def held_out(self) -> OfficialStacks:
        """Validation pictures."""
        return OfficialStacks.of(self.data, "val")

    def batch(self, draw: Draw) -> Batch:
        """Condition and clean pictures in -1..1, levels, what the network is told of them, and noise."""
        schedule = self.run.schedule
        (scale,) = self.scales
        squares = np.stack([self.stacks.patch(scale, self.side, draw.numpy) for _ in range(schedule.batch)])
        both = tensor(squares) * 2 - 1
        level, time = self._levels(schedule.batch, draw.numpy)
        noise = torch.randn(both[:, -3:].shape, generator=draw.torch)
        return {"condition": both[:, :-3], "truth": both[:, -3:], "noise": noise, "level": level, "time": time}

    def _levels(self, count: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Levels of the pictures, and the network's time input."""
        levels = self.schedule.levels
        if self.settings.embedding == "index":
            steps = random.integers(0, self.schedule.steps, count)
            return torch.from_numpy(levels[steps + 1]), torch.from_numpy(steps).float()
        step = int(random.integers(1, self.schedule.steps + 1))
        drawn = torch.from_numpy(random.uniform(levels[step], levels[step - 1], count))
        return drawn, drawn.float()

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Mean absolute error of the noise and, for three sources, the structural term at its published weight."""
        noise = batch["noise"]
        said = network(self._input(batch), batch["time"])
        l1 = (said - noise).abs().mean()
        if self.data.sources != 3:
            return {"loss": l1}
        unlike = ((1 - ssim_map(batch["truth"], said.float(), 1.0)).clamp(0, 1) / 2).mean()
        return {"loss": l1 + unlike / noise.numel(), "l1": l1.detach(), "structure": unlike.detach()}

    def _input(self, batch: Batch) -> Tensor:
        noisy = noised(batch["truth"], batch["noise"], batch["level"][:, None, None, None])
        return torch.cat([batch["condition"], noisy], dim=1)

    @cached_property
    def behaviour(self) -> Behaviour:
        """How the weights are to be used; it goes into their file."""
        return Behaviour(norm_groups=self.settings.norm_groups)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PSNR of pictures sampled in twenty steps, and the gain over the brightest or only source, in dB."""
        (scale,) = self.scales
        values = []
        for index in range(min(SHOWN, len(self.held_out))):
            stack = tensor(self.held_out.whole(index, scale)[None])
            truth, sources = stack[:, -3:], stack[:, :-3]
            brightest = torch.stack(torch.split(sources, 3, dim=1)).amax(dim=0)
            found = psnr(self._sampled(network, sources * 2 - 1), truth)
            values.append((found, found - psnr(brightest, truth)))
        names = (f"x{scale} psnr", f"x{scale} gain")
        return {name: float(np.mean(column)) for name, column in zip(names, zip(*values, strict=True), strict=False)}

    def _sampled(self, network: nn.Module, condition: Tensor) -> Tensor:
        assert isinstance(network, Published)
        model = Model(network.network, network.network, self.behaviour, self.schedule)
        with torch.inference_mode():
            return to_display(model.sample(condition, Random(self.run.seed)))

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Last source, result and truth side by side; None where there is no validation set."""
        if not len(self.held_out):
            return None
        stack = self.held_out.whole(0, self.scales[0])
        result = self._sampled(network, tensor(stack[None, :-3]) * 2 - 1)[0]
        return np.concatenate([stack[-6:-3], bytes_of(result.numpy()), stack[-3:]], axis=2)

    def metadata(self) -> dict[str, Any]:
        """Kind of network, and how it is to be used."""
        return {"network": self.task, METADATA: self.behaviour.model_dump_json()}
