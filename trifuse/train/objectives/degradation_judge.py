"""Telling by which of its two ways a `SourceSR` should enlarge a small picture: that whose result is nearer the truth.

What counts is the difference in dB, so that pictures for which both serve alike do not.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.errors import InputError
from trifuse.nets.degradation_judge import LEAST, DegradationJudge, traces_of
from trifuse.nets.source_sr import SourceSR
from trifuse.train import export
from trifuse.train.data import augment, degradations, images
from trifuse.train.data.augment import Pixels
from trifuse.train.data.degradations import Levels
from trifuse.train.data.single import check_single, cropped, enlarge, single
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.objectives.base import Batch, Objective, Patches, check_file
from trifuse.train.settings.part import Expanded, Part

MOST = 3.0
"""Differences in dB count up to this."""


class Settings(Part):
    """Settings of the objective `degradation-judge`.

    Attributes:
        upsampler: weights of the source-sr network.
        width: of the judge's hidden layer.
        margin: above which number pictures are taken for bicubic, at x2, x4 and x8; chosen on validation people.
        shares: how often pictures of a kind are drawn; 1 where not named.
        bicubic: share of the pictures that are made small by Pillow's bicubic.
        careful: how much more a difference counts on those.
    """

    task: Literal["degradation-judge"] = "degradation-judge"
    upsampler: Expanded
    width: int = Field(default=16, ge=1)
    margin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shares: dict[str, float] = Field(default_factory=dict)
    bicubic: float = Field(default=0.4, gt=0, lt=1)
    careful: float = Field(default=4.0, gt=0)


class DegradationJudgeObjective(Objective[Settings]):
    """See the module, and `Objective`."""

    Settings = Settings
    patches = Patches(least=32, scales=True)

    def check(self) -> None:
        """See `Objective`.

        Raises:
            InputError: if the data hold no single pictures, or patches are too small to be judged when made small.
        """
        check_single(self.run.data)
        for scale, side in self.run.schedule.sides.items():
            if side // scale < LEAST:
                wanted = f"patches need a side of at least {LEAST * scale} at x{scale}"
                raise InputError(f"field schedule.sides: {wanted} (got {side})")
        check_file(self.settings.upsampler, "model.upsampler")

    @cached_property
    def upsampler(self) -> SourceSR:
        """The network whose way is chosen."""
        network = SourceSR.from_state(export.read(self.settings.upsampler)[0]).eval()
        return cast(SourceSR, network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def build(self) -> nn.Module:
        """See `Objective`."""
        return DegradationJudge(self.settings.width, self.settings.margin)

    @cached_property
    def sampler(self) -> images.PictureSampler:
        """Pictures of the train split, each patient of a kind alike."""
        return images.PictureSampler(single(self.run.data, "train"), self.settings.shares, by_patient=True)

    def _drawn(self, scale: int, random: np.random.Generator) -> tuple[Pixels, Levels, bool]:
        """The sharp picture, the small one, and whether bicubic made it."""
        sharp = self.sampler.patch(self.run.schedule.sides[scale], random)
        exact = bool(random.random() < self.settings.bicubic)
        small = augment.degraded(sharp, scale)[0] if exact else degradations.drawn(sharp, scale, random)
        return sharp, small, exact

    def batch(self, draw: Draw) -> Batch:
        """Traces, and how much nearer to the truth the exact way is, in dB, up to `MOST`; weights."""
        scale = self.scales[draw.step % len(self.scales)]
        rows = [self._drawn(scale, draw.numpy) for _ in range(self.run.schedule.batch)]
        gains = [gain(self.upsampler, small, sharp) for sharp, small, _ in rows]
        weights = [self.settings.careful if exact else 1.0 for *_, exact in rows]
        found = torch.cat([traces_of(tensor(small[None])) for _, small, _ in rows])
        return {
            "traces": found,
            "gain": torch.tensor(gains).clamp(-MOST, MOST),
            "weight": torch.tensor(weights),
            "scale": torch.tensor(scale),
        }

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Logistic loss of the better way, weighted by what the other costs."""
        said, better = network(batch["traces"], int(batch["scale"])), batch["gain"]
        costs = batch["weight"] * better.abs()
        loss = (costs * functional.softplus(-said * better.sign())).mean()
        lost = torch.where((said > 0) == (better > 0), 0.0, better.abs()).mean()
        return {"loss": loss, "lost": lost.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """What is lost against the better way in dB, on bicubic pictures and on others: judged, and always one way."""
        random = np.random.default_rng(0)
        measured: dict[str, float] = {}
        pictures = [augment.grey_to_rgb(picture.pixels) for picture in single(self.run.data, "val")][::7]
        for scale in self.scales:
            for name in ("bicubic", "others"):
                lost = [self._lost(network, cropped(p, scale), scale, name == "bicubic", random) for p in pictures]
                for way, values in zip(("judged", "as bicubic", "as others"), zip(*lost, strict=True), strict=True):
                    measured[f"x{scale} {name}, {way}"] = float(np.mean(values))
        return measured

    def _lost(
        self, network: nn.Module, sharp: Pixels, scale: int, exact: bool, random: np.random.Generator
    ) -> tuple[float, float, float]:
        small: Levels = augment.degraded(sharp, scale)[0] if exact else degradations.drawn(sharp, scale, random)
        better = gain(self.upsampler, small, sharp)
        judged = cast(DegradationJudge, network).is_bicubic(tensor(small[None]), scale)
        return (abs(better) if judged != (better > 0) else 0.0), max(0.0, -better), max(0.0, better)

    def pictures(self, network: nn.Module) -> Pixels | None:
        """None: there is nothing to see."""
        return None

    def metadata(self) -> dict[str, str]:
        """Which network it is."""
        return {"network": self.task, "scales": ",".join(map(str, self.scales))}


def gain(network: SourceSR, small: Levels, sharp: Pixels) -> float:
    """How much nearer to the sharp picture the exact way comes than the other, in dB."""
    bicubic = degradations.enlarged(small, sharp.shape[1:])
    truth = tensor(sharp[None])
    found = [torch.from_numpy(enlarge(network, small, bicubic, exact=way))[None] for way in (True, False)]
    return psnr(found[0], truth) - psnr(found[1], truth)
