"""Settings of the task `fusion-rule`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.prepared import Prepared


class FusionRule(Prepared):
    """A learned correction of the closed-form fusion of enlarged sources.

    The terms of a recipe's loss are taken relative to those of the closed form.

    Attributes:
        width: channels of the network.
    """

    task: Literal["fusion-rule"] = "fusion-rule"
    width: int = Field(default=32, ge=1)
