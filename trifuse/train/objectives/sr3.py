"""SR3: one picture, enlarged by a diffusion model.

Source: Saharia et al., "Image Super-Resolution via Iterative Refinement", IEEE TPAMI 2022.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.data.cases import Phase
from trifuse.train.data.single import check_single, single
from trifuse.train.data.stacks import OfficialStacks, SingleStacks, Stacks
from trifuse.train.objectives.diffusion import Conditional, DiffusionObjective, check_official
from trifuse.train.settings.data import OfficialLayout


class Settings(Conditional):
    """Settings of the objective `sr3`.

    Attributes:
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        val_every: which of the validation pictures are measured during training.
    """

    task: Literal["sr3"] = "sr3"
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)


class SR3Objective(DiffusionObjective[Settings]):
    """See `DiffusionObjective`."""

    Settings = Settings
    pictures_in = 2
    base = "last"
    condition = "sources"

    def check(self) -> None:
        """See `Objective`."""
        check_single(self.run.data)
        if isinstance(self.run.data, OfficialLayout):
            check_official(self.run, self.run.data)

    def stacks_of(self, phase: Phase) -> Stacks:
        """See `DiffusionObjective`."""
        if isinstance(self.run.data, OfficialLayout):
            return OfficialStacks.of(self.run.data, phase)
        pictures = single(self.run.data, phase)
        every = self.settings.val_every if phase == "val" else 1
        return SingleStacks(pictures[::every], self.settings.shares)
