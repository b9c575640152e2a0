"""Recipes: everything that makes a trained network, in one YAML file.

Paths in a recipe may hold environment variables (`$TRIFUSE_SHARED/data`) and are otherwise relative to the recipe.
A configuration file of the original SR3 and TFS-Diff programs (JSON with `//` comments) is a recipe too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from trifuse.errors import InputError

Expanded = Annotated[Path, AfterValidator(lambda path: Path(os.path.expandvars(path)).expanduser())]
"""A path in which environment variables are replaced."""


class Part(BaseModel):
    """Base of all parts of a recipe: a field that does not exist is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Volumes(Part):
    """Volumes whose axial slices join the single pictures.

    Attributes:
        folder: one folder per patient, in it `ct.nii.gz`, `t1.nii.gz`, `pet.nii.gz`.
        patients: names of the folders.
        every: distance of the slices taken.
    """

    folder: Expanded
    patients: tuple[str, ...]
    every: int = Field(default=3, ge=1)


class Tables(Part):
    """Cases listed in CSV tables with the columns `case`, `split`, `path_1`, `path_2`, ... (and `kind`, `functional`).

    Attributes:
        tables: the files; paths in them are relative to the folder above the table's.
        train, val: which `split` is which.
        functional: only cases with a functional picture in validation (column `functional`).
    """

    kind: Literal["tables"] = "tables"
    tables: tuple[Expanded, ...] = Field(min_length=1)
    train: str = "train"
    val: str = "val"
    functional: bool = False


class Folder(Part):
    """A folder of registered pictures: one folder per modality with equal file names in each, or one per case.

    Attributes:
        folder: where they lie.
        modalities: the sources in order: folder names (one folder per modality) or file stems (one per case).
        truth: name of the folder (or stem) of fused pictures to learn from; made by a fusing method if not given.
        held_out: share of the cases kept for validation, the last ones by name.
    """

    kind: Literal["folder"] = "folder"
    folder: Expanded
    modalities: tuple[str, ...] = Field(min_length=2)
    truth: str | None = None
    held_out: float = Field(default=0.1, ge=0, lt=1)


class OfficialLayout(Part):
    """The layout of the original programs: `1_sr_16_128/`, `2_sr_...`, `3_sr_...`, `hr_128/` and `1_lr_16/` ...

    Attributes:
        train, val: roots of the two sets; validation is left out if not given.
        low, high: sides in pixels.
        sources: 3 (TFS-Diff) or 1 (SR3: folders `sr_16_128`, `hr_128`, `lr_16`).
    """

    kind: Literal["official"] = "official"
    train: Expanded
    val: Expanded | None = None
    low: int = Field(ge=1)
    high: int = Field(ge=1)
    sources: Literal[1, 3] = 3


Data = Annotated[Tables | Folder | OfficialLayout, Field(discriminator="kind")]


class Truth(Part):
    """How the picture to learn is made from sources at full resolution.

    Attributes:
        method: a fusing method of this package.
        options: its options.
    """

    method: str = "bitonicx"
    options: dict[str, Any] = {}


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
    sides: dict[int, int] = {2: 64, 4: 128, 8: 192}
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
    """Weights of the terms on the predicted clean picture in 0..1.

    Attributes:
        l1: mean absolute error.
        mse: mean squared error.
        ssim: 1 - SSIM (TFS-Diff, section 2.3, in a form that is minimised by equal pictures).
    """

    l1: float = Field(default=1.0, ge=0)
    mse: float = Field(default=5.0, ge=0)
    ssim: float = Field(default=0.0, ge=0)


class SourceSR(Part):
    """One-pass super-resolution of single sources.

    Attributes:
        width, blocks, fine: the network's shape.
        shares: how often pictures of a kind (the beginning of the file name) are drawn; 1 where not named.
        volumes: volumes whose slices join the pictures.
        mse_from: from this step on the loss is the mean squared error alone.
    """

    task: Literal["source-sr"] = "source-sr"
    width: int = 64
    blocks: int = 6
    fine: int = 16
    shares: dict[str, float] = {}
    volumes: Volumes | None = None
    mse_from: int | None = None


class Diffusion(Part):
    """A conditional diffusion model that predicts the clean picture (x0).

    Attributes:
        task: "tfs-diff" (three sources, fused) or "sr3" (one picture, enlarged).
        unshuffle: side of the blocks that are folded into channels before the U-Net and unfolded after it; 2 makes it
            four times cheaper.
        channels, multipliers, res_blocks, norm_groups, dropout: the U-Net's shape.
        se_scope: where TMFA stands: on the condition (paper), on the whole input (program), or "none".
        condition: "closed-form": sources upsampled by the network `upsampler`, the fusing method applied to them as a
            further condition, and the residual to it predicted; "learned": those sources alone, and the residual to
            the last one, for speed; "bicubic": the bicubic sources alone (paper).
        upsampler: weights of a source-sr network.
        pure_noise: share of training pictures at the noisiest level, where the model makes its one-step estimate.
        squares: number of training squares, each cut from a case in another contrast, palette and pose, and fused anew.
        square: their side in pixels.
        shares: how often cases of a kind (column `kind` of a table; for sr3 the beginning of the file name) are
            drawn; 1 where not named.
        val_every: which of the validation cases are measured during training.
        cache: folder for fused pictures and conditions.
    """

    task: Literal["tfs-diff", "sr3"]
    unshuffle: int = Field(default=2, ge=1)
    channels: int = 48
    multipliers: tuple[int, ...] = (1, 2, 2)
    res_blocks: int = 1
    norm_groups: int = 8
    dropout: float = 0.0
    attention_levels: tuple[int, ...] = ()
    se_scope: Literal["condition", "input", "none"] = "condition"
    condition: Literal["closed-form", "learned", "bicubic"] = "closed-form"
    upsampler: Expanded | None = None
    truth: Truth = Truth()
    pure_noise: float = Field(default=0.5, ge=0, le=1)
    squares: int = Field(default=600, ge=1)
    square: int = Field(default=128, ge=16)
    shares: dict[str, float] = {}
    val_every: int = Field(default=1, ge=1)
    cache: Expanded = Path("cache")


class Recipe(Part):
    """A training run.

    Attributes:
        name: name of the weights it makes.
        seed: from which everything random follows.
        data: the cases.
        model: the network and what it learns.
        loss: weights of the loss terms.
        schedule: how long and how fast.
    """

    name: str
    seed: int = Field(default=0, ge=0)
    data: Data
    model: Annotated[SourceSR | Diffusion, Field(discriminator="task")]
    loss: Loss = Loss()
    schedule: Schedule


def load(path: Path) -> Recipe:
    """Reads a recipe, or an official configuration file.

    Raises:
        InputError: if it is missing, or a field is wrong; the message names the field.
    """
    from trifuse.train import official

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the recipe cannot be read ({error.strerror})") from None
    try:
        if path.suffix == ".json":
            return official.recipe(official.parse(text, str(path)), path)
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
