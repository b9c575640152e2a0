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
    from trifuse.train.diffusing import DiffusionTask
    from trifuse.train.loop import Trainer
    from trifuse.train.recipe import SourceSR, load
    from trifuse.train.source_sr import SourceSRTask
    from trifuse.train.task import Task

    read = load(recipe)
    task: Task = SourceSRTask(read) if isinstance(read.model, SourceSR) else DiffusionTask(read)
    return Trainer(read, task, output, resume=resume).run()
