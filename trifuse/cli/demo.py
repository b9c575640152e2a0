"""`trifuse demo`: the main job on the bundled sample study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trifuse.cli.common import Json, Overwrite, answer, progress, say
from trifuse.cli.compare import show


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write into; made if it is not there.")
    ] = Path("trifuse-demo"),
    volume: Annotated[bool, typer.Option("--volume", help="Fuse the 3D study instead of the slices.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fuse the sample study that ships with trifuse (MR-T1, MR-T2 and FDG-PET of one anatomy); no network needed.

    Writes the fused picture (by BitonicX, and at twice the resolution by TFS-Diff), a contact sheet and a table of
    metrics, and says where.

    Examples:

      trifuse demo

      trifuse demo --volume -o my-folder
    """
    from trifuse.core.extras import need

    need("plot", "trifuse demo")
    from trifuse import fusion, samples
    from trifuse.core.replacing import check_claim
    from trifuse.fusion import Run
    from trifuse.fusion import compare as comparison

    study = samples.study(dims=3 if volume else 2)
    chosen = ["mean", "laplacian"] if volume else ["gradient-domain", "bitonicx", "laplacian", "mean"]
    if not overwrite:
        check_claim(output, "compare", comparison.key_of(list(study.values()), Run()), comparison.outputs_of(output))
    with progress(quiet=json):
        result = comparison.compare(list(study.values()), chosen)
        written = result.save(output, overwrite=overwrite)
        pictures = {"fused": output / f"{chosen[0]}{'.nii.gz' if volume else '.png'}"}
        if not volume:
            twice = fusion.fuse(list(study.values()), "tfs-diff", scale=2)
            pictures["fused at x2"] = twice.save(output / "tfs-diff-x2.png", overwrite=overwrite)
    if json:
        answer({**pictures, **written, "rows": result.rows(), "failed": result.failed})
    else:
        show(result)
        for what, path in {**pictures, **written}.items():
            say(f"{what}: {path}")
    if result.failed:
        raise typer.Exit(3)
