"""What every objective is told besides its own settings."""

from __future__ import annotations

from pydantic import Field

from trifuse.train.settings.data import Data
from trifuse.train.settings.loss import Loss
from trifuse.train.settings.part import Part
from trifuse.train.settings.schedule import Schedule


class Run(Part):
    """A training run, whatever is trained.

    Attributes:
        seed: from which everything random follows.
        data: the cases.
        loss: weights of the loss terms, for objectives that leave them to the recipe.
        schedule: how long and how fast.
    """

    seed: int = Field(default=0, ge=0)
    data: Data
    loss: Loss = Loss()
    schedule: Schedule
