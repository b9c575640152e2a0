"""Runs a recipe: its stages one after the other, and puts together what they made where it says so."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, TrainingWarning
from trifuse.core.replacing import check_claim, claim
from trifuse.train import export
from trifuse.train.loop import Trainer
from trifuse.train.objectives import REGISTRY
from trifuse.train.objectives.base import Objective
from trifuse.train.plan import Plan, Stage
from trifuse.train.recipe import Recipe, check_variables, objective_of
from trifuse.train.settings.prepared import Prepared


def run(plan: Plan, output: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, float]:
    """Trains the stages of a recipe into a folder; returns the last validation.

    The weights are `<name>.safetensors` in the folder; each of several stages has a folder of its own in it.

    Raises:
        InputError: if a stage cannot be trained, which is found out before the first one is, or the folder not used.
        WeightsError: if weights are needed that are not there.
    """
    check(plan)
    folders = [output / stage.folder for stage in plan.all()]
    begun = [(folder / "checkpoint.pt").is_file() for folder in folders]
    if resume and not begun[0]:
        raise InputError(f"{output}: holds no checkpoint to resume; start without --resume")
    if not resume and any(begun):
        raise InputError(f"{output}: holds a run already; add --resume to go on with it, or name another folder")
    mine = overwrite or resume
    if not mine:
        check_claim(output, "train", plan.name, _outputs(plan, output))
    own = partial(claim, output, "train", plan.name, _outputs(plan, output), overwrite=mine)
    final = output / f"{plan.name}.safetensors"
    if len(plan.all()) == 1:
        return _chain(plan.stages, None, output, own, quiet=False)[1]
    finished = final.is_file() and all(begun)
    weights, measured = _chain(plan.stages, None, output, own)
    parts = {}
    for name, stages in plan.join.items():
        parts[name], found = _chain(stages, weights, output, own)
        measured = {f"{name}: {key}": value for key, value in found.items()} | ({} if len(parts) == 1 else measured)
    if finished:
        warnings.warn(TrainingWarning(f"{output}: the run is finished, nothing is left to do"), stacklevel=2)
        return measured
    trained = {name: export.read(path) for name, path in parts.items()}
    state, metadata = _objective(plan).joined(trained) if parts else export.read(weights)
    export.write(final, state, metadata | {"stages": str(len(plan.all()))}, measured)
    return measured


def _outputs(plan: Plan, output: Path) -> list[Path]:
    """What is written into the folder that a run would be sorry to lose."""
    inside = ("checkpoint.pt", "log.csv", "validation.csv", "samples")
    books = [output / stage.folder / name for stage in plan.all() for name in inside]
    weights = [output / stage.folder / f"{stage.recipe.name}.safetensors" for stage in plan.all()]
    return [*books, *weights, output / f"{plan.name}.safetensors"]


def check(plan: Plan) -> None:
    """Refuses a recipe of which a stage cannot be trained.

    Raises:
        InputError: naming the stage and the field.
        WeightsError: if weights are needed that are not there.
    """
    for stage in plan.all():
        try:
            check_variables(stage.recipe)
            objective_of(stage.recipe)
        except InputError as error:
            raise InputError(f"stage {stage.folder}, {error}" if stage.folder else str(error)) from None
    kinds = {type(stage.recipe.model) for stage in plan.all()}
    if plan.join and (len(kinds) > 1 or not _objective(plan).joins):
        raise InputError("field join: networks of this kind cannot be put together; leave it out")


def _chain(
    stages: Sequence[Stage], start: Path | None, output: Path, own: Callable[[], None], *, quiet: bool = True
) -> tuple[Path, dict[str, float]]:
    """Trains stages, the first from the weights `start`; the file of the last one's, and what was measured.

    Args:
        own: makes the output the run's, as soon as something is to be written.
    """
    measured: dict[str, float] = {}
    for stage in stages:
        folder = output / stage.folder
        recipe = _placed(stage.recipe, output, start)
        objective = objective_of(recipe)
        going_on = (folder / "checkpoint.pt").is_file()
        if recipe.start is not None and not going_on:
            export.restore(objective.network, recipe.start)
        own()
        trainer = Trainer(recipe, objective, folder, resume=going_on)
        measured = trainer.measured if quiet and trainer.finished else trainer.run()
        start = trainer.weights
    assert start is not None
    return start, measured


def _placed(recipe: Recipe, output: Path, start: Path | None) -> Recipe:
    """The recipe with the weights that it goes on from, and the folder of what is kept between runs."""
    model = recipe.model
    if isinstance(model, Prepared) and model.cache is None:
        model = model.model_copy(update={"cache": output / "cache"})
    return recipe.model_copy(update={"model": model, "start": start or recipe.start})


def _objective(plan: Plan) -> type[Objective[Any]]:
    return REGISTRY.get(plan.stages[0].recipe.model.task)  # type: ignore[attr-defined]
