"""All randomness of a run, from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Random:
    """The source of randomness that a method draws from; equal seeds give equal results.

    Attributes:
        seed: non-negative integer.
    """

    seed: int = 0

    @cached_property
    def numpy(self) -> np.random.RandomState:
        """A NumPy generator (the Mersenne twister, whose stream published programs are replayed with)."""
        return np.random.RandomState(self.seed)

    @cached_property
    def torch(self) -> torch.Generator:
        """A torch generator on the CPU: draws are made there so that they do not depend on the device."""
        import torch

        return torch.Generator().manual_seed(self.seed)
