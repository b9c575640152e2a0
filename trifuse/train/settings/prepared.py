"""Settings of the tasks that learn from fused cases."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trifuse.train.settings.part import Expanded, Part


class Truth(Part):
    """How the picture to learn is made from sources at full resolution.

    Attributes:
        method: a fusing method of this package.
        options: its options.
    """

    method: str = "bitonicx"
    options: dict[str, Any] = Field(default_factory=dict)


class Prepared(Part):
    """Cases whose sources are enlarged and fused beforehand.

    Attributes:
        upsampler: weights of a source-sr network.
        truth: how the picture to learn is made.
        squares: number of training squares, each cut from a case in another contrast, palette and
            orientation, and fused anew.
        square: their side in pixels.
        shares: how often cases of a kind (column `kind` of a table; for sr3 the beginning of the file name) are
            drawn; 1 where not named.
        val_every: which of the validation cases are measured during training.
        cache: folder for fused pictures and conditions; `cache` in that of the run if not given.
    """

    upsampler: Expanded | None = None
    truth: Truth = Truth()
    squares: int = Field(default=600, ge=1)
    square: int = Field(default=128, ge=16)
    shares: dict[str, float] = Field(default_factory=dict)
    val_every: int = Field(default=1, ge=1)
    cache: Expanded | None = None
