"""Training: recipes, data sets, objectives and the loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def train(
    recipe: Path | str,
    output: Path,
    *,
    resume: bool = False,
    changes: Sequence[str] = (),
    overwrite: bool = False,
) -> dict[str, float]:
    """Trains what a recipe describes, into a folder; returns the last validation.

    Args:
        recipe: a YAML recipe, an official JSON configuration, or the name of a recipe of the package.
        output: folder for weights, checkpoint, logs and sample pictures; of a recipe of several stages each has a
            folder of its own in it.
        resume: go on from the checkpoint in the folder.
        changes: values to set in the recipe, `path=value` each; see `trifuse.train.overrides`.
        overwrite: whether files in the folder may be replaced that no run of this recipe made; a checkpoint never is.

    Raises:
        InputError: if the recipe, its data or the folder cannot be used.
        OptionError: if a change is not understood.
        WeightsError: if weights are needed that are not there.
        ExtraError: if Accelerate is not installed.
        TrainingError: if the loss or its gradient is not finite.
    """
    from trifuse.core.extras import need

    need("train", "training", "accelerate")
    from trifuse.core.shelf import TRAINING, recipe_path
    from trifuse.train.plan import load
    from trifuse.train.stages import run

    return run(load(recipe_path(recipe, TRAINING), changes), output, resume=resume, overwrite=overwrite)


def weights_path(recipe: Path | str, output: Path, changes: Sequence[str] = ()) -> Path:
    """Where `train` with these arguments leaves the weights.

    Raises:
        InputError: if the recipe cannot be used.
    """
    from trifuse.core.shelf import TRAINING, recipe_path
    from trifuse.train.plan import load

    return output / f"{load(recipe_path(recipe, TRAINING), changes).name}.safetensors"
