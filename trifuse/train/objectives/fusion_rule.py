"""Correcting the analytic fusion of enlarged sources towards the fusion of sharp ones.

The mean squared error is what PSNR rewards; it alone makes the picture smoother than the analytic fusion, as the mean
of what is probable is. Other terms keep edges and texture. Each is taken relative to that of the analytic fusion, so
that scales with small errors count as much as those with large ones, and weights say how much a percent of each is
worth.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from trifuse.diffusion.learned import by_rule
from trifuse.nets.fusion_rule import FusionRule
from trifuse.train.data import conditioning
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Phase
from trifuse.train.data.prepared import bytes_of
from trifuse.train.data.stacks import Stacks
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.losses.picture import picture_terms, weighed
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.settings.prepared import Prepared

TINY = 1e-6
"""Least error of the analytic fusion that another is divided by."""


class Settings(Prepared):
    """Settings of the objective `fusion-rule`: a learned correction of the analytic fusion of enlarged sources.

    The terms of a recipe's loss are taken relative to those of the analytic fusion.

    Attributes:
        width: channels of the network.
    """

    task: Literal["fusion-rule"] = "fusion-rule"
    width: int = Field(default=32, ge=1)


class FusionRuleObjective(Objective[Settings]):
    """A learned fusing rule; see `Objective`."""

    Settings = Settings
    terms = frozenset({"l1", "mse", "ssim", "lpips", "average_gradient"})
    patches = Patches(least=8, scales=True)

    def check(self) -> None:
        """See `Objective`."""
        conditioning.check(self.run, self.settings)
        conditioning.check_upsampler(self.settings)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return FusionRule(self.settings.width).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def stacks(self) -> Stacks:
        """Training stacks: enlarged sources, analytic fusion and truth, as bytes."""
        return self._stacks("train")

    @cached_property
    def held_out(self) -> Stacks:
        """Validation stacks."""
        return self._stacks("val")

    def _stacks(self, phase: Phase) -> Stacks:
        maker = conditioning.learned(self.settings, analytic=True)
        return conditioning.stacks(self.run, self.settings, maker, phase)

    def batch(self, draw: Draw) -> Batch:
        """Stacks of one scale, in 0..1."""
        scale = self.scales[draw.step % len(self.scales)]
        schedule = self.run.schedule
        squares = [self.stacks.patch(scale, schedule.sides[scale], draw.numpy) for _ in range(schedule.batch)]
        return {"stack": tensor(np.stack(squares)), "scale": torch.tensor(scale)}

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The terms of the recipe relative to those of the analytic fusion, weighed."""
        terms = self._relative(by_rule(network, batch["stack"][:, :12], int(batch["scale"])), batch["stack"])
        loss = weighed(terms, self.run.loss)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def _relative(self, fused: Tensor, stack: Tensor) -> dict[str, Tensor]:
        """Terms of a fused picture divided by those of the analytic fusion: below 1 is better than that."""
        truth, closed = stack[:, -3:] * 2 - 1, stack[:, 9:12] * 2 - 1
        terms = picture_terms(fused * 2 - 1, truth, self.run.loss)
        with torch.no_grad():
            before = picture_terms(closed, truth, self.run.loss)
        return {name: term / before[name].clamp(min=TINY) for name, term in terms.items()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean gain in PSNR over the analytic fusion in dB, and changes of the terms that are learned in percent."""
        measured: dict[str, float] = {}
        for scale in self.scales if len(self.held_out) else ():
            values = [self._measure(network, index, scale) for index in range(len(self.held_out))]
            for name in values[0]:
                measured[f"x{scale} {name}"] = float(np.mean([value[name] for value in values]))
        return measured

    def _measure(self, network: nn.Module, index: int, scale: int) -> dict[str, float]:
        stack = tensor(self.held_out.whole(index, scale)[None])
        closed, truth = stack[:, 9:12], stack[:, -3:]
        with torch.inference_mode():
            fused = by_rule(network, stack[:, :12], scale).clamp(0, 1)
            changes = {name: 100 * float(term - 1) for name, term in self._relative(fused, stack).items()}
        return {"gain": psnr(fused, truth) - psnr(closed, truth), **changes}

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Analytic fusion, corrected and truth side by side, one row per scale."""
        if not len(self.held_out):
            return None
        rows = []
        for scale in self.scales:
            stack = self.held_out.whole(len(self.held_out) // 2, scale)
            with torch.inference_mode():
                fused = by_rule(network, tensor(stack[None, :12]), scale)[0]
            rows.append(np.concatenate([stack[9:12], bytes_of(fused.numpy()), stack[-3:]], axis=2))
        return np.concatenate(rows, axis=1)

    def metadata(self) -> dict[str, str]:
        """Kind of network and its scales."""
        return {"network": "fusion-rule", "scales": ",".join(map(str, self.scales)), "range": "0..1"}
