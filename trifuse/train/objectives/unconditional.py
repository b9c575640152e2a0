r"""A diffusion prior: grey slices of any contrast, without a condition.

The network predicts the velocity \(v = a z - s x_0\) from \(x = a x_0 + s z\) (Salimans and Ho, ICLR 2022, appendix D),
slices in -1..1, whose mean square is about 1. Half of what it sees are whole slices made smaller, so that it learns
anatomy, the other half squares at full resolution, so that it learns edges and texture.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from trifuse.core.random import Random
from trifuse.diffusion import denoiser
from trifuse.diffusion.model import METADATA, Behaviour
from trifuse.diffusion.samplers import SAMPLERS, gaussian, sample
from trifuse.diffusion.schedule import level_of_noise, noise_of, to_clean, uniform_lambda
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.images import PictureSampler
from trifuse.train.data.prepared import bytes_of
from trifuse.train.data.single import check_single, single
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.folded_unet import folded_unet
from trifuse.train.levels import NOISIEST, drawn_levels
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.settings.folded_unet import FoldedUNetSettings

VELOCITY = denoiser.PREDICTIONS["v"]
NOISES = (10, 25, 50)
"""Standard deviations, of 255, at which denoising is measured."""
STEPS = 20
"""Steps of a sample on the contact sheet."""


class Settings(FoldedUNetSettings):
    """Settings of the objective `unconditional`.

    A diffusion model of single grey pictures, with no condition: a prior for methods that bring their own data term.

    Attributes:
        whole: share of training patches that show a whole slice, made smaller; the others are cut at full resolution.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        val_every: which of the validation pictures are measured during training.
    """

    task: Literal["unconditional"] = "unconditional"
    whole: float = Field(default=0.5, ge=0, le=1)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)


class UnconditionalObjective(Objective[Settings]):
    """A prior of slices; see `Objective`."""

    Settings = Settings
    patches = Patches(least=8)

    def check(self) -> None:
        """See `Objective`."""
        check_single(self.run.data)

    def build(self) -> nn.Module:
        """See `Objective`."""
        return folded_unet(self.settings, 1, 1)

    @cached_property
    def sampler(self) -> PictureSampler:
        """All pictures of the train split."""
        return PictureSampler(single(self.run.data, "train"), self.settings.shares)

    @cached_property
    def held_out(self) -> Tensor:
        """The middle squares of validation pictures, `(N, 1, side, side)` in 0..1."""
        pictures = single(self.run.data, "val")[:: self.settings.val_every]
        squares = [_middle(augment.luma(picture.pixels), self.side) for picture in pictures]
        return tensor(np.stack(squares)) if squares else torch.empty(0, 1, self.side, self.side)

    def batch(self, draw: Draw) -> Batch:
        """Clean pictures in -1..1, noise and levels."""
        count = self.run.schedule.batch
        clean = tensor(np.stack([self._view(draw.numpy) for _ in range(count)])) * 2 - 1
        noise = torch.randn(clean.shape, generator=draw.torch)
        return {"clean": clean, "noise": noise, "level": drawn_levels(draw, count)}

    def _view(self, random: np.random.Generator) -> Pixels:
        """A grey square `(1, side, side)`: a whole slice, mirrored at most, or a part in any orientation."""
        pixels = augment.luma(self.sampler.draw(random).pixels)
        if random.random() < 0.6:
            pixels = augment.recontrast(pixels, random)
        if random.random() < self.settings.whole:
            smaller = augment.zoomed(pixels, self.side / max(pixels.shape[1:]))
            square = augment.crop(smaller[:, : self.side, : self.side], self.side, random)
            return np.ascontiguousarray(square[..., ::-1] if random.random() < 0.5 else square)
        if random.random() < 0.25:
            pixels = augment.zoomed(pixels, random.uniform(0.7, 1.3))
        square = augment.crop(pixels, self.side, random)
        return np.asarray(augment.turned(square, int(random.integers(8))), dtype=np.uint8)

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Mean squared error of the velocity, and for the log that of the picture (values in 0..1)."""
        clean, noise, level = batch["clean"], batch["noise"], batch["level"][:, None, None, None]
        noisy = denoiser.noised(clean, noise, level)
        said = network(noisy, level.flatten().float())
        loss = functional.mse_loss(said, VELOCITY.target(clean, noise, level))
        error = (VELOCITY.x0(said.detach(), noisy, level) - clean) / 2
        return {"loss": loss, "mse": error.square().mean()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PSNR in dB of denoised validation squares at each noise."""
        measured: dict[str, float] = {}
        clean = self.held_out
        generator = torch.Generator().manual_seed(self.run.seed)
        for noise in NOISES if len(clean) else ():
            level = float(level_of_noise(2 * noise / 255))
            z = torch.randn(clean.shape, generator=generator)
            noisy = denoiser.noised(clean * 2 - 1, z, torch.tensor(level, dtype=torch.float64))
            with torch.inference_mode():
                estimate = (_denoiser(network, clean)(noisy, level) + 1) / 2
            measured[f"psnr at {noise}"] = psnr(estimate, clean)
        return measured

    def pictures(self, network: nn.Module) -> Pixels | None:
        """Eight samples in two rows."""
        levels = to_clean(uniform_lambda(STEPS, float(noise_of(NOISIEST)), 0.02))
        empty = torch.empty(1, 1, self.side, self.side)
        samples = []
        with torch.inference_mode():
            for seed in range(8):
                noise = gaussian(Random(seed))
                drawn = sample(SAMPLERS.get("dpm++2m"), _denoiser(network, empty), noise(empty), levels, noise)
                samples.append(bytes_of(((drawn[0] + 1) / 2).numpy()))
        rows = [np.concatenate(samples[at : at + 4], axis=2) for at in (0, 4)]
        return np.repeat(np.concatenate(rows, axis=1), 3, axis=0)

    def metadata(self) -> dict[str, str]:
        """The behaviour, and what it was trained for."""
        behaviour = Behaviour(
            prediction="v",
            norm_groups=self.settings.norm_groups,
            conditions=(),
            unfold=self.settings.unshuffle,
            steps=STEPS,
            noise_max=round(float(noise_of(NOISIEST)), 3),
            noise_min=0.02,
        )
        return {METADATA: behaviour.model_dump_json(), "task": self.settings.task}


def _denoiser(network: nn.Module, like: Tensor) -> denoiser.NetworkDenoiser:
    return denoiser.NetworkDenoiser(network, like[:, :0], VELOCITY)


def _middle(pixels: Pixels, side: int) -> Pixels:
    """The middle square of `(1, H, W)`, set in black where the picture is smaller."""
    short = [max(0, side - n) for n in pixels.shape[1:]]
    padded = np.pad(pixels, ((0, 0), *((n // 2, n - n // 2) for n in short)))
    top, left = ((n - side) // 2 for n in padded.shape[1:])
    return padded[:, top : top + side, left : left + side]
