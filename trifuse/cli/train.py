"""`trifuse train`: trains a network after a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trifuse.cli.common import Folder, Json, answer, progress


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A YAML recipe, or a JSON configuration of the original SR3 and TFS-Diff programs.")
    ],
    output: Folder,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")] = False,
    json: Json = False,
) -> None:
    """Train a network on your own images: on a CPU, a GPU, or many of them (started by `torchrun`).

    The folder gets the weights, a checkpoint to go on from, a log (CSV and TensorBoard) and sample pictures.

    [bold]Examples[/bold]

      trifuse train trifuse/recipes/train/tfs-diff.yaml -o runs/tfs-diff

      trifuse train trifuse/recipes/train/tfs-diff.yaml -o runs/tfs-diff --resume

      trifuse train config/fusion_medical_sr3_128_256.json -o runs/official
    """
    from trifuse.train import train as run

    with progress(quiet=json):
        measured = run(recipe, output, resume=resume)
    if json:
        answer(measured)
        return
    for name, value in measured.items():
        print(f"{name}: {value:.3f}")
