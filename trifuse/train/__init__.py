"""Training: recipes, data sets, tasks and the loop."""

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
    from trifuse.train.recipe import load
    from trifuse.train.settings import task_of

    read = load(recipe)
    task = task_of(read)
    if read.start is not None:
        restore(task.network, read.start)
    return Trainer(read, task, output, resume=resume).run()
