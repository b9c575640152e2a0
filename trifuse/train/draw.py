"""How the randomness of a step is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch


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
