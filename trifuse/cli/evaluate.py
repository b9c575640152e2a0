"""`trifuse evaluate`: how good a fused image is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from trifuse.cli.common import Json, answer, table


def evaluate(
    fused: Annotated[Path, typer.Argument(help="The fused image.", show_default=False)],
    source: Annotated[
        list[Path] | None,
        typer.Option("--source", "-s", help="A source; give the option once per source.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", "-r", help="A ground truth to compare with.", show_default=False)
    ] = None,
    metrics: Annotated[
        str,
        typer.Option("--metrics", "-m", help="all, a preset (core, default, cddfuse, tang, ...) or names: vif,ssim,qabf."),
    ] = "core",
    colour: Annotated[
        Literal["luma", "rgb"], typer.Option(help="Whether errors and SSIM are taken on luma or on the three channels.")
    ] = "luma",
    json: Json = False,
) -> None:
    """Measure a fused image against its sources, a ground truth, or both.

    [bold]Examples[/bold]

      trifuse evaluate fused.png --source t1.png --source t2.png --source pet.png

      trifuse evaluate fused.png -s ct.png -s mr.png --metrics vif,ssim,qabf --json

      trifuse evaluate fused.png --reference truth.png --metrics psnr,ssim
    """
    from trifuse.evaluation import evaluate as measure

    names = metrics if "," not in metrics else [name.strip() for name in metrics.split(",") if name.strip()]
    scores = measure(fused, sources=source or [], reference=reference, metrics=names, colour=colour)
    if json:
        answer(scores)
    else:
        table("", ["metric", "value"], [[name, f"{value:.6g}"] for name, value in scores.items()])
