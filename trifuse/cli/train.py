"""`trifuse train`: trains a network after a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A YAML recipe, or a JSON configuration of the original SR3 and TFS-Diff programs.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the weights, checkpoint, logs and sample pictures.")
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")] = False,
) -> None:
    """Train a network on your own images: on a CPU, a GPU, or many of them (started by `torchrun`)."""
    import importlib

    measured = importlib.import_module("trifuse.train").train(recipe, output, resume=resume)
    for name, value in measured.items():
        typer.echo(f"{name}: {value:.3f}")
