"""Recipes: everything that makes a trained network, in one YAML file.

Paths in a recipe may hold environment variables (`$TRIFUSE_SHARED/data`) and are otherwise relative to the recipe.
A configuration file of the original SR3 and TFS-Diff programs (JSON with `//` comments) is a recipe too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from trifuse.core.errors import InputError
from trifuse.train import official
from trifuse.train.settings import Model
from trifuse.train.settings.data import Data
from trifuse.train.settings.part import Expanded, Part


class Schedule(Part):
    """How long and how fast.

    Attributes:
        steps: optimiser steps.
        learning_rate: reached after `warmup` steps, kept, and brought to zero linearly over the last `cooldown`.
        batch: pictures per step and process.
        sides: full-size side of the patches at each scale.
        clip: largest norm of the gradient.
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
    sides: dict[int, int] = Field(default_factory=lambda: {2: 64, 4: 128, 8: 192})
    clip: float = Field(default=0.5, gt=0)
    ema: float = Field(default=0.997, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    check_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Schedule:
        for scale, side in self.sides.items():
            if scale < 1 or side % scale:
                raise ValueError(f"side {side} is no multiple of its scale {scale}")
        if self.cooldown > self.steps:
            raise ValueError(f"cooldown {self.cooldown} is longer than the {self.steps} steps")
        return self

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return self.learning_rate * rise * fall


class Loss(Part):
    """Weights of the terms; those but the first are on the predicted clean picture in 0..1.

    Attributes:
        velocity: mean squared error of what a diffusion network says, in units of unit variance.
        l1: mean absolute error.
        mse: mean squared error.
        ssim: 1 - SSIM (TFS-Diff, section 2.3, in a form that is minimised by equal pictures).
        lpips: LPIPS; needs its weights (`trifuse weights add`, or TRIFUSE_LPIPS).
        average_gradient: distance of the picture's average gradient (AG) from the truth's.
    """

    velocity: float = Field(default=0.01, ge=0)
    l1: float = Field(default=1.0, ge=0)
    mse: float = Field(default=5.0, ge=0)
    ssim: float = Field(default=0.0, ge=0)
    lpips: float = Field(default=0.0, ge=0)
    average_gradient: float = Field(default=0.0, ge=0)


class Recipe(Part):
    """A training run.

    Attributes:
        name: name of the weights it makes.
        seed: from which everything random follows.
        data: the cases.
        model: the network and what it learns.
        start: weights of an earlier run or of this package to go on from, instead of random ones.
        loss: weights of the loss terms.
        schedule: how long and how fast.
    """

    name: str
    seed: int = Field(default=0, ge=0)
    data: Data
    model: Model
    start: Expanded | None = None
    loss: Loss = Loss()
    schedule: Schedule


def load(path: Path) -> Recipe:
    """Reads a recipe, or an official configuration file.

    Raises:
        InputError: if it is missing, or a field is wrong; the message names the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the recipe cannot be read ({error.strerror})") from None
    try:
        if path.suffix == ".json":
            return Recipe.model_validate(official.fields(official.parse(text, str(path)), path))
        content = yaml.safe_load(text)
        if not isinstance(content, dict):
            raise InputError(f"{path}: a recipe is a mapping with name, data, model and schedule")
        return _beside(Recipe.model_validate(content), path.parent)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}, field {where}: {first['msg']} (got {first['input']!r})") from None


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with relative paths read from its own folder."""

    def moved(part: Part) -> Part:
        changes: dict[str, Any] = {}
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Path):
                changes[name] = folder / value
            elif isinstance(value, Part):
                changes[name] = moved(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], Path):
                changes[name] = tuple(folder / each for each in value)
        return part.model_copy(update=changes)

    moved_recipe = moved(recipe)
    assert isinstance(moved_recipe, Recipe)
    return moved_recipe
