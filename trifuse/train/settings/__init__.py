"""Settings of the training tasks, one file each. A new task is a settings file, a task file, and its lines here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from trifuse.train.settings.dc2fusion import DC2Fusion
from trifuse.train.settings.diffusion import Diffusion
from trifuse.train.settings.dual import DualModal
from trifuse.train.settings.fusion_rule import FusionRule
from trifuse.train.settings.part import Part
from trifuse.train.settings.source_sr import SourceSR
from trifuse.train.settings.unconditional import Unconditional

if TYPE_CHECKING:
    from trifuse.train.recipe import Recipe
    from trifuse.train.task import Task

Model = Annotated[
    SourceSR | FusionRule | Diffusion | Unconditional | DualModal | DC2Fusion, Field(discriminator="task")
]
"""The network of a recipe and what it learns; its field `task` says which."""

TASKS: dict[type[Part], str] = {
    SourceSR: "source_sr:SourceSRTask",
    FusionRule: "fusion_rule:FusionRuleTask",
    Diffusion: "diffusing:DiffusionTask",
    Unconditional: "unconditional:UnconditionalTask",
    DualModal: "dual:DualModalTask",
    DC2Fusion: "dc2fusion:DC2FusionTask",
}
"""Settings -> file in `trifuse/train` and class of the task."""


def task_of(recipe: Recipe) -> Task:
    """The task that a recipe describes; its file is imported only now."""
    module, name = TASKS[type(recipe.model)].split(":")
    task: Task = getattr(import_module(f"trifuse.train.{module}"), name)(recipe)
    return task
