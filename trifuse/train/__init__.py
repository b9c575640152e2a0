"""Training: recipes, data sets, objectives and the loop."""

from __future__ import annotations

from pathlib import Path


def train(recipe: Path, output: Path, *, resume: bool = False) -> dict[str, float]:
    """Trains what a recipe describes, into a folder; returns the last validation.

    Args:
        recipe: a YAML recipe or an official JSON configuration.
        output: folder for weights, checkpoint, logs and sample pictures.
        resume: go on from the checkpoint in the folder.

    Raises:
        InputError: if the recipe, its data or the folder cannot be used.
    """
    from trifuse.train.export import restore
    from trifuse.train.loop import Trainer
    from trifuse.train.recipe import check_variables, load, objective_of

    read = load(recipe)
    check_variables(read, recipe)
    objective = objective_of(read)
    if read.start is not None:
        restore(objective.network, read.start)
    return Trainer(read, objective, output, resume=resume).run()
