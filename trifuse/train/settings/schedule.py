"""How long and how fast a network is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trifuse.train.settings.part import Part


class Schedule(Part):
    """How long and how fast.

    Attributes:
        steps: optimiser steps.
        learning_rate: reached after `warmup` steps, kept, and brought to zero linearly over the last `cooldown`.
        batch: pictures per step and process.
        sides: full-size side of the patches at each scale.
        beta2: decay of the squared gradients that AdamW scales by.
        clip: largest norm of the gradient; any where none is given.
        ema: decay of the moving average of the weights, which is what is validated and saved.
        precision: "bf16" pays on CPUs with AMX and on GPUs.
        check_every: steps between validations (with checkpoint and sample pictures).
        log_every: steps between lines of the log.
    """

    steps: int = Field(ge=1)
    learning_rate: float = Field(default=6e-4, gt=0)
    warmup: int = Field(default=200, ge=0)
    cooldown: int = Field(default=0, ge=0)
    batch: int = Field(default=8, ge=1)
    sides: dict[int, int] = Field(default_factory=lambda: {2: 64, 4: 128, 8: 192}, min_length=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    clip: float | None = Field(default=0.5, gt=0)
    ema: float = Field(default=0.997, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    check_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Schedule:
        for scale, side in self.sides.items():
            if scale < 1 or side < scale or side % scale:
                raise ValueError(f"side {side} is no multiple of its scale {scale}")
        if self.cooldown > self.steps:
            raise ValueError(f"cooldown {self.cooldown} is longer than the {self.steps} steps")
        return self

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return self.learning_rate * rise * fall
