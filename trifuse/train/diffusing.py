r"""The tasks of the diffusion models: TFS-Diff (three sources, fused and enlarged) and SR3 (one picture, enlarged).

The condition gives a picture \(b\) that is near the answer \(p\): the fusion in closed form of upsampled sources, the
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

from functools import cached_property
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.random import Random
from trifuse.diffusion import denoiser
from trifuse.diffusion.conditions import brightest, last, to_display
from trifuse.diffusion.model import METADATA, Behaviour, Model, schedule_of
from trifuse.diffusion.schedule import noise_of
from trifuse.nets.folded import Folded
from trifuse.nets.sr3_unet import SR3UNet
from trifuse.train import conditioning
from trifuse.train.augment import Pixels
from trifuse.train.cases import Phase
from trifuse.train.folded_unet import folded_unet
from trifuse.train.levels import NOISIEST, drawn_levels
from trifuse.train.losses.picture import picture_terms, weighed
from trifuse.train.prepared import Maker, bytes_of
from trifuse.train.recipe import Recipe
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.diffusion import Diffusion
from trifuse.train.source_sr import single
from trifuse.train.stacks import OfficialStacks, SingleStacks, Stacks
from trifuse.train.task import Batch, Draw, psnr, tensor


class DiffusionTask:
    """TFS-Diff or SR3; see `Task`."""

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.model, Diffusion)
        self.recipe, self.settings = recipe, recipe.model
        self.scales = tuple(recipe.schedule.sides)
        torch.manual_seed(recipe.seed)
        pictures = 2 if self.settings.task == "sr3" else 5 if self.settings.condition == "closed-form" else 4
        network = folded_unet(self.settings, 3 * pictures, 3, self.settings.se_scope)
        with torch.no_grad():  # training starts from the known picture
            for parameter in cast(SR3UNet, network.network).final_conv.block[3].parameters():
                parameter.mul_(0.05)
        self.network: nn.Module = network

    @cached_property
    def behaviour(self) -> Behaviour:
        """How the weights are to be used; it goes into their file."""
        settings = self.settings
        closed_form = "learned-bitonicx" if settings.rule is None else "learned-rule"
        names = {"closed-form": closed_form, "learned": "learned", "bicubic": "sources"}
        return Behaviour(
            prediction="v",
            norm_groups=settings.norm_groups,
            conditions=("sources" if settings.task == "sr3" else names[settings.condition],),
            base=self._base,
            deviation=self.deviation,
            unfold=settings.unshuffle,
            sampler="dpm++2m",
            steps=1,
            temperature=settings.temperature,
            draw_steps=8,
            noise_max=round(float(noise_of(NOISIEST)), 3),
        )

    @property
    def _base(self) -> Literal["last", "brightest"]:
        """Which picture of the condition is near the answer."""
        return "last" if self.settings.task == "sr3" or self.settings.condition == "closed-form" else "brightest"

    def _known(self, condition: Tensor) -> Tensor:
        """That picture `(B, 3, H, W)`, values -1..1."""
        return last(condition) if self._base == "last" else brightest(condition)

    @cached_property
    def deviation(self) -> dict[int, float]:
        """Root mean square of what is missing from the base at each scale, over patches of the training set."""
        random = np.random.default_rng([self.recipe.seed, 3])
        measured = {}
        for scale, side in self.recipe.schedule.sides.items():
            both = tensor(np.stack([self.stacks.patch(scale, side, random) for _ in range(64)])) * 2 - 1
            missing = both[:, -3:] - self._known(both[:, :-3])
            measured[scale] = round(max(float(missing.square().mean().sqrt()), 1e-3), 4)
        return measured

    @cached_property
    def stacks(self) -> Stacks:
        """Training stacks: condition, then truth, as bytes."""
        return self._stacks("train")

    @cached_property
    def held_out(self) -> Stacks | None:
        """Validation stacks, None where the recipe has no validation cases."""
        stacks = self._stacks("val")
        return stacks if len(stacks) else None

    def _stacks(self, phase: Phase) -> Stacks:
        recipe, settings, data = self.recipe, self.settings, self.recipe.data
        if isinstance(data, OfficialLayout):
            return OfficialStacks.of(data, phase)
        if settings.task == "sr3":
            pictures = single(recipe, phase)
            return SingleStacks(pictures[:: settings.val_every] if phase == "val" else pictures, settings.shares)
        return conditioning.stacks(recipe, settings, self._maker(), phase)

    def _maker(self) -> Maker:
        settings = self.settings
        if settings.condition == "bicubic":
            return conditioning.bicubic(settings)
        return conditioning.learned(settings, closed_form=settings.condition == "closed-form", rule=settings.rule)

    def batch(self, draw: Draw) -> Batch:
        """Condition and clean pictures in -1..1, the unit of what is diffused, levels and noise."""
        schedule = self.recipe.schedule
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
            **picture_terms(estimate, truth, self.recipe.loss),
        }
        loss = weighed(terms, self.recipe.loss)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def one_step(self, network: nn.Module, condition: Tensor, scale: int) -> Tensor:
        """The whole picture in 0..1 by one step, as a user of the weights gets it."""
        folded = cast(Folded, network)
        model = Model(folded, cast(SR3UNet, folded.network), self.behaviour, schedule_of({}))
        with torch.inference_mode():
            return to_display(model.sample(condition, Random(self.recipe.seed), scale=scale))

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
            "task": self.settings.task,
            "scales": ",".join(map(str, self.scales)),
        }
