"""What the training loop needs to know of a task, and how its randomness is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trifuse.train.augment import Pixels


@dataclass(frozen=True)
class Draw:
    """The randomness of one step of one process: it depends on nothing but these three numbers, so that a resumed run
    draws what an unbroken one does.

    Attributes:
        seed: of the recipe.
        step: counted from 0.
        rank: number of the process.
    """

    seed: int
    step: int
    rank: int = 0

    @cached_property
    def numpy(self) -> np.random.Generator:
        """For pictures."""
        return np.random.default_rng([self.seed, self.step, self.rank])

    @cached_property
    def torch(self) -> torch.Generator:
        """For noise."""
        seed = int(np.random.SeedSequence([self.seed, self.step, self.rank, 1]).generate_state(1, np.uint64)[0])
        return torch.Generator().manual_seed(seed >> 1)


Batch = Mapping[str, Tensor]


class Task(Protocol):
    """A network and what it learns."""

    network: nn.Module

    def batch(self, draw: Draw) -> Batch:
        """The pictures of one step, on the CPU."""
        ...

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss terms by name; `loss` is minimised. `network` may be wrapped for several processes."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measures on the validation cases, by name; PSNR gains in dB."""
        ...

    def pictures(self, network: nn.Module) -> Pixels | None:
        """A contact sheet `(3, H, W)` of a few validation cases, None where there are none."""
        ...

    def metadata(self) -> dict[str, str]:
        """What a file of the weights must say besides the tensors."""
        ...


def tensor(pixels: Pixels) -> Tensor:
    """Bytes `(B, C, H, W)` -> float32 in 0..1, channels last."""
    plain = torch.from_numpy(np.array(pixels)).float().div_(255)
    return plain.contiguous(memory_format=torch.channels_last)


def psnr(estimate: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in 0..1, clipped; 120 where they are equal."""
    error = float((estimate.clamp(0, 1) - truth).square().mean())
    return float(-10 * np.log10(max(error, 1e-12)))
