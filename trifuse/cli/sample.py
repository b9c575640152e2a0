"""`trifuse sample`: what a diffusion prior believes in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trifuse.cli.common import Device, Json, Overwrite, Seed, answer, progress, say


def sample(
    weights: Annotated[
        str,
        typer.Argument(
            help="An unconditional diffusion model: a name (`trifuse weights`: brain-prior) or a file, .safetensors of "
            "`trifuse train` or .pt of guided-diffusion."
        ),
    ] = "brain-prior",
    output: Annotated[Path, typer.Option("--output", "-o", help="Sheet to write: .png or .tif.")] = Path("samples.png"),
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many pictures to draw.")] = 8,
    size: Annotated[int, typer.Option(min=16, help="Side of each in pixels.")] = 96,
    steps: Annotated[int, typer.Option(min=1, help="Steps from noise to picture.")] = 30,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw pictures from an unconditional diffusion model, such as the prior of ddfm and ddfm-palm.

    They show what the model takes for probable, nobody's anatomy.

    Examples:

      trifuse sample -o samples.png

      trifuse sample runs/mine/mine.safetensors -o samples.png --count 16 --size 128 --seed 7
    """
    from trifuse import io
    from trifuse.core.image import Image
    from trifuse.core.replacing import check_absent
    from trifuse.core.version import __version__
    from trifuse.diffusion.prior import drawn, load_prior, sheet
    from trifuse.fusion.saving import known_provenance, provenance_path

    io.check_writable(output, dims=2)
    told = {"weights": weights, "count": count, "size": size, "steps": steps, "seed": seed}
    known = known_provenance(output) or {}
    if not overwrite and any(known.get(name) != value for name, value in told.items()):
        check_absent([output, provenance_path(output)])
    prior = load_prior(weights, device=device)
    with progress(quiet=json):
        pictures = drawn(prior, count, size, steps, seed)
    written = io.write(Image(sheet(pictures)), output, provenance={"trifuse": __version__, **told})
    if json:
        answer({"written": written, "weights": weights, "count": count, "seed": seed})
    else:
        say(f"samples: {written}  ({count} of {size} x {size}, {steps} steps, {weights})")
