"""Settings of the task `source-sr`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.data import Volumes
from trifuse.train.settings.part import Part


class SourceSR(Part):
    """One-pass super-resolution of single sources.

    Attributes:
        width, blocks, fine: the network's shape.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        volumes: volumes whose slices join the pictures.
        mse_from: from this step on the loss is the mean squared error alone.
        augmentation: how often contrast, palette and zoom are changed, in units of the usual shares.
        by_patient: draw the patients of a kind alike, however many pictures there are of each.
    """

    task: Literal["source-sr"] = "source-sr"
    width: int = 64
    blocks: int = 6
    fine: int = 16
    shares: dict[str, float] = Field(default_factory=dict)
    volumes: Volumes | None = None
    mse_from: int | None = None
    augmentation: float = Field(default=1.0, ge=0, le=1)
    by_patient: bool = False
