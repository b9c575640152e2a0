r"""What the diffusion models share: TFS-Diff (three sources, fused and enlarged) and SR3 (one picture, enlarged).

The condition gives a picture \(b\) that is near the answer \(p\): the analytic fusion of upsampled sources, the
brightest source, or for SR3 the bicubic picture. What is diffused is what is missing from it in units of its own size,
\(x_0 = (p - b) / d\), d the root mean square of \(p - b\) at each scale, so that \(x_0\) has unit variance. The network
predicts the velocity \(v = a z - s x_0\) from \(x = a x_0 + s z\), which for unit variance is the preconditioning of
Karras et al. (NeurIPS 2022, Table 1): input, output and target have unit variance at every level.

Levels are drawn evenly in angle (\(a = \cos(u \pi / 2)\), the cosine schedule in continuous time); a share of the batch
is at the noisiest level, where the answer is the posterior mean and one step of sampling makes the whole picture (a
draw from the posterior has twice the least mean squared error). Where one step begins with less noise (`temperature`),
these pictures have less in training too.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar, Literal, TypeVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.errors import InputError
from trifuse.core.random import Random
from trifuse.diffusion import denoiser
from trifuse.diffusion.conditions import brightest, last, to_display
from trifuse.diffusion.model import METADATA, Behaviour, Model, schedule_of
from trifuse.diffusion.schedule import noise_of
from trifuse.nets.folded import Folded
from trifuse.nets.sr3_config import SEScope
from trifuse.nets.sr3_unet import SR3UNet
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Phase
from trifuse.train.data.prepared import bytes_of
from trifuse.train.data.stacks import Stacks
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.folded_unet import folded_unet
from trifuse.train.levels import NOISIEST, drawn_levels
from trifuse.train.losses.picture import picture_terms, weighed
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.folded_unet import FoldedUNetSettings
from trifuse.train.settings.run import Run


class Conditional(FoldedUNetSettings):
    """Settings of every conditional diffusion model.

    Attributes:
        pure_noise: share of training pictures at the noisiest level, where the model makes its one-step estimate.
        temperature: share of the noise that a one-step picture begins with, and that those training pictures have, at
            each scale; 1 where not named.
    """

    pure_noise: float = Field(default=0.5, ge=0, le=1)
    temperature: dict[int, float] = Field(default_factory=dict)


C = TypeVar("C", bound=Conditional)


class DiffusionObjective(Objective[C]):
    """A conditional diffusion model; see `Objective`.

    Attributes:
        pictures_in: pictures that the network sees: those of the condition, and the noisy one.
        base: which picture of the condition is near the answer.
        conditions: name of the condition, for the file of the weights.
        se_scope: where the network's gate stands.
    """

    patches = Patches(least=8, scales=True)
    terms: ClassVar[frozenset[str]] = frozenset({"velocity", "l1", "mse", "ssim", "lpips", "average_gradient"})

    @property
    def se_scope(self) -> SEScope:
        """See the class."""
        return "none"

    @property
    @abstractmethod
    def pictures_in(self) -> int:
        """See the class."""

    @property
    @abstractmethod
    def base(self) -> Literal["last", "brightest"]:
        """See the class."""

    @property
    @abstractmethod
    def condition(self) -> str:
        """See the class."""

    @abstractmethod
    def stacks_of(self, phase: Phase) -> Stacks:
        """The pictures of a phase: condition, then truth, as bytes."""

    def build(self) -> nn.Module:
        """See `Objective`."""
        network = folded_unet(self.settings, 3 * self.pictures_in, 3, self.se_scope)
        with torch.no_grad():  # training starts from the known picture
            for parameter in cast(SR3UNet, network.network).final_conv.block[3].parameters():
                parameter.mul_(0.05)
        return network

    @cached_property
    def behaviour(self) -> Behaviour:
        """How the weights are to be used; it goes into their file."""
        settings = self.settings
        return Behaviour(
            prediction="v",
            norm_groups=settings.norm_groups,
            conditions=(self.condition,),
            base=self.base,
            deviation=self.deviation,
            unfold=settings.unshuffle,
            sampler="dpm++2m",
            steps=1,
            temperature=settings.temperature,
            draw_steps=8,
            noise_max=round(float(noise_of(NOISIEST)), 3),
        )

    def _known(self, condition: Tensor) -> Tensor:
        """The picture of a condition that is near the answer, `(B, 3, H, W)`, values -1..1."""
        return last(condition) if self.base == "last" else brightest(condition)

    @cached_property
    def deviation(self) -> dict[int, float]:
        """Root mean square of what is missing from the base at each scale, over patches of the training set."""
        random = np.random.default_rng([self.run.seed, 3])
        measured = {}
        for scale, side in self.run.schedule.sides.items():
            both = tensor(np.stack([self.stacks.patch(scale, side, random) for _ in range(64)])) * 2 - 1
            missing = both[:, -3:] - self._known(both[:, :-3])
            measured[scale] = round(max(float(missing.square().mean().sqrt()), 1e-3), 4)
        return measured

    @cached_property
    def stacks(self) -> Stacks:
        """Training stacks."""
        return self.stacks_of("train")

    @cached_property
    def held_out(self) -> Stacks | None:
        """Validation stacks, None where the recipe has no validation cases."""
        stacks = self.stacks_of("val")
        return stacks if len(stacks) else None

    def batch(self, draw: Draw) -> Batch:
        """Condition and clean pictures in -1..1, the unit of what is diffused, levels and noise."""
        schedule = self.run.schedule
        scale = self.scales[draw.step % len(self.scales)]
        side = schedule.sides[scale]
        squares = np.stack([self.stacks.patch(scale, side, draw.numpy) for _ in range(schedule.batch)])
        both = tensor(squares) * 2 - 1
        level = drawn_levels(draw, schedule.batch, self.settings.pure_noise)
        truth = both[:, -3:]
        noise = torch.randn(truth.shape, generator=draw.torch)
        noise[level == NOISIEST] *= self.settings.temperature.get(scale, 1.0)
        unit = torch.tensor(self.deviation[scale])
        return {"condition": both[:, :-3], "truth": truth, "unit": unit, "noise": noise, "level": level}

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Error of the velocity; L1, MSE, 1 - SSIM and LPIPS of the predicted picture (in 0..1); weighted."""
        truth, unit, level = batch["truth"], batch["unit"], batch["level"][:, None, None, None]
        base = self._known(batch["condition"])
        missing = (truth - base) / unit
        noisy = denoiser.noised(missing, batch["noise"], level)
        said = network(torch.cat([batch["condition"], noisy], dim=1), level.flatten().float())
        velocity = denoiser.PREDICTIONS["v"]
        estimate = base + unit * velocity.x0(said, noisy, level)
        terms = {
            "velocity": functional.mse_loss(said, velocity.target(missing, batch["noise"], level)),
            **picture_terms(estimate, truth, self.run.loss),
        }
        loss = weighed(terms, self.run.loss)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def one_step(self, network: nn.Module, condition: Tensor, scale: int) -> Tensor:
        """The whole picture in 0..1 by one step, as a user of the weights gets it."""
        folded = cast(Folded, network)
        model = Model(folded, cast(SR3UNet, folded.network), self.behaviour, schedule_of({}))
        with torch.inference_mode():
            return to_display(model.sample(condition, Random(self.run.seed), scale=scale))

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PSNR of one-step pictures against the truth, and the gain over the picture the residual is added to."""
        measured: dict[str, float] = {}
        for scale in self.scales if self.held_out is not None else ():
            values = [self._measure(network, index, scale) for index in range(len(cast(Stacks, self.held_out)))]
            measured[f"x{scale} psnr"] = float(np.mean([value[0] for value in values]))
            measured[f"x{scale} gain"] = float(np.mean([value[0] - value[1] for value in values]))
        return measured

    def _measure(self, network: nn.Module, index: int, scale: int) -> tuple[float, float]:
        stack = tensor(cast(Stacks, self.held_out).whole(index, scale)[None])
        truth, condition = stack[:, -3:], stack[:, :-3] * 2 - 1
        base = (self._known(condition) + 1) / 2
        return psnr(self.one_step(network, condition, scale), truth), psnr(base, truth)

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Last picture of the condition, result and truth side by side, one row per scale."""
        if self.held_out is None:
            return None
        rows = []
        for scale in self.scales:
            stack = self.held_out.whole(len(self.held_out) // 2, scale)
            result = self.one_step(network, tensor(stack[None, :-3]) * 2 - 1, scale)[0]
            rows.append(np.concatenate([stack[-6:-3], bytes_of(result.numpy()), stack[-3:]], axis=2))
        return np.concatenate(rows, axis=1)

    def metadata(self) -> dict[str, str]:
        """The behaviour, and what it was trained for."""
        return {
            METADATA: self.behaviour.model_dump_json(),
            "task": self.task,
            "scales": ",".join(map(str, self.scales)),
        }


def check_official(run: Run, data: OfficialLayout) -> None:
    """Refuses scales and patches that the folders of an official layout do not hold.

    Raises:
        InputError: naming the field.
    """
    scale, sides = data.high // data.low, run.schedule.sides
    if list(sides) != [scale] or sides[scale] > data.high:
        raise InputError(
            f"field schedule.sides: the folders hold x{scale} with {data.high} pixels a side (got {sides})"
        )
