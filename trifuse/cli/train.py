"""`trifuse train`: trains a network after a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from trifuse.cli.common import Folder, Json, Overwrite, answer, progress, say


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A YAML recipe, the name of one of the package's (cddfuse, source-sr ...), or a JSON configuration of "
            "the original SR3 and TFS-Diff programs.",
            show_default=False,
        ),
    ],
    output: Folder,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe; may be given several times."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a network on your own images: on a CPU, a GPU, or many of them (started by `torchrun`).

    A recipe may have several stages, each of which goes on from the one before; a run that was stopped goes on with
    --resume. The folder gets the weights, a checkpoint to go on from, a log (CSV and TensorBoard) and sample pictures.

    Examples:

      trifuse train tfs-diff -o runs/tfs-diff

      trifuse train tfs-diff -o runs/tfs-diff --resume

      trifuse train my-recipe.yaml -o runs/mine --set schedule.steps=200 --set stages.0.model.width=32

      trifuse train config/fusion_medical_sr3_128_256.json -o runs/official
    """
    from trifuse.train import train as run
    from trifuse.train import weights_path

    with progress(quiet=json):
        measured = run(recipe, output, resume=resume, changes=change or (), overwrite=overwrite)
    made = weights_path(recipe, output, change or ())
    if json:
        answer({**measured, "weights": made})
        return
    for name, value in measured.items():
        print(f"{name}: {value:.3f}")
    say(f"weights: {made}\nuse them: trifuse fuse A B -o fused.png --method {_method(made.stem)} --weights {made}")


def _method(recipe: str) -> str:
    """The method that takes what a recipe of the package makes; of another recipe the user knows."""
    from trifuse.weights import CATALOGUE

    return next((entry.used_by[0] for entry in CATALOGUE.values() if entry.recipe == recipe), "METHOD")
