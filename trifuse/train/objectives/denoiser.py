"""A denoiser of single grey pictures: noise of random kind and strength is to be taken off.

Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 26(7), 2017, with white Gaussian noise, the noise
of log-compressed ultrasound (log-Rayleigh) and multiplicative speckle, white or with the short correlation of a
scanner's point spread.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.dncnn import DnCNN
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.images import PictureSampler
from trifuse.train.data.single import check_single, single
from trifuse.train.data.tensors import psnr, tensor
from trifuse.train.draw import Draw
from trifuse.train.objectives.base import Batch, Objective, Patches
from trifuse.train.settings.part import Part

NOISES = (10, 25, 50)
"""Standard deviations, of 255, of the white noise at which denoising is measured."""
CORRELATED = 0.2
"""Share of pictures whose noise is correlated."""
VIEW = 140
"""Largest side in pixels of the middle of a validation picture."""


class Settings(Part):
    """Settings of the objective `denoiser`.

    Attributes:
        depth, features: layers of the network and their channels.
        gaussian, log_rayleigh, speckle: largest strength of each kind of noise, on the display scale 0..1.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        val_every: which of the validation pictures are measured during training.
    """

    task: Literal["denoiser"] = "denoiser"
    depth: int = Field(default=9, ge=3)
    features: int = Field(default=32, ge=1)
    gaussian: float = Field(default=50 / 255, ge=0)
    log_rayleigh: float = Field(default=0.25, ge=0)
    speckle: float = Field(default=0.4, ge=0)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)


class DenoiserObjective(Objective[Settings]):
    """See `Objective`."""

    Settings = Settings
    patches = Patches(least=8)

    def check(self) -> None:
        """See `Objective`."""
        check_single(self.run.data)

    def build(self) -> nn.Module:
        """See `Objective`."""
        network = DnCNN(self.settings.depth, self.settings.features)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def sampler(self) -> PictureSampler:
        """All pictures of the train split."""
        return PictureSampler(single(self.run.data, "train"), self.settings.shares)

    @cached_property
    def held_out(self) -> list[Tensor]:
        """The middles of validation pictures, each `(1, 1, h, w)` in 0..1."""
        pictures = single(self.run.data, "val")[:: self.settings.val_every]
        return [tensor(_middle(augment.luma(picture.pixels))[None]) for picture in pictures]

    def batch(self, draw: Draw) -> Batch:
        """Noisy and clean patches in 0..1."""
        clean = [self._clean(draw.numpy) for _ in range(self.run.schedule.batch)]
        noisy = [self._noisy(patch, draw.numpy) for patch in clean]
        return {"clean": torch.from_numpy(np.stack(clean)), "noisy": torch.from_numpy(np.stack(noisy))}

    def _clean(self, random: np.random.Generator) -> NDArray[np.float32]:
        """A patch `(1, side, side)` of another contrast and offset, in any orientation."""
        square = augment.crop(augment.luma(self.sampler.draw(random).pixels), self.side, random)
        patch = np.asarray(augment.turned(square, int(random.integers(8))), dtype=np.float32) / 255
        contrast = random.uniform(0.4, 1.0)
        patch = patch * contrast + random.uniform(0, 1 - contrast)
        return np.asarray(1 - patch if random.random() < 0.25 else patch, dtype=np.float32)

    def _noisy(self, clean: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """The patch with noise of mean 0."""
        kind = str(random.choice(["gaussian", "log_rayleigh", "speckle"], p=[0.5, 0.25, 0.25]))
        if kind == "log_rayleigh":
            noise = np.log(random.rayleigh(size=clean.shape) + 1e-6) - (np.log(2) - np.euler_gamma) / 2
        else:
            noise = random.standard_normal(clean.shape)
        if random.random() < CORRELATED:
            width, spread = random.uniform(0.4, 1.0), noise.std()
            noise = gaussian_filter(noise, (0, width, width), mode="wrap")
            noise *= spread / noise.std()
        strength = random.uniform(0, getattr(self.settings, kind))
        return np.asarray(clean + strength * noise * (clean if kind == "speckle" else 1), dtype=np.float32)

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Mean squared error."""
        return {"loss": functional.mse_loss(network(batch["noisy"]), batch["clean"])}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PSNR in dB of denoised validation pictures at each noise."""
        measured: dict[str, float] = {}
        for noise in NOISES if self.held_out else ():
            values = [psnr(self._denoised(network, clean, noise, n), clean) for n, clean in enumerate(self.held_out)]
            measured[f"psnr at {noise}"] = float(np.mean(values))
        return measured

    def _denoised(self, network: nn.Module, clean: Tensor, noise: int, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.run.seed + number)
        with torch.inference_mode():
            denoised: Tensor = network(clean + noise / 255 * torch.randn(clean.shape, generator=generator))
            return denoised

    def pictures(self, network: nn.Module) -> Pixels | None:
        """A clean picture, and it denoised at each noise."""
        if not self.held_out:
            return None
        clean = self.held_out[0]
        row = torch.cat([clean, *(self._denoised(network, clean, noise, 0) for noise in NOISES)], dim=3)
        grey = np.rint(row[0].clamp(0, 1).numpy() * 255).astype(np.uint8)
        return np.repeat(grey, 3, axis=0)

    def metadata(self) -> dict[str, str]:
        """Kind of network."""
        return {"network": "dncnn", "range": "0..1"}


def _middle(pixels: Pixels) -> Pixels:
    """The middle of `(1, H, W)`, at most `VIEW` pixels a side."""
    top, left = (max(0, n - VIEW) // 2 for n in pixels.shape[1:])
    return pixels[:, top : top + VIEW, left : left + VIEW]
