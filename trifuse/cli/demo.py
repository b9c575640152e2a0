"""`trifuse demo`: the main job on the bundled sample study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifuse.cli.common import Json, Overwrite, answer, progress, say
from trifuse.cli.compare import show

if TYPE_CHECKING:
    from trifuse.fusion import Fused
    from trifuse.fusion.compare import Comparison

DRAWS = 4
"""Of TFS-Diff, for its uncertainty."""


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
            twice = fusion.fuse(list(study.values()), "tfs-diff", scale=2, samples=DRAWS)
            pictures["fused at x2"] = twice.save(output / "tfs-diff-x2.png", overwrite=overwrite)
            written["contact sheet"] = _sheet(result, twice, output / "contact-sheet.png")
    if json:
        answer({**pictures, **written, "rows": result.rows(), "failed": result.failed})
    else:
        show(result)
        for what, path in {**pictures, **written}.items():
            say(f"{what}: {path}")
    if result.failed:
        raise typer.Exit(3)


def _sheet(result: Comparison, twice: Fused, path: Path) -> Path:
    """Sources, methods, and TFS-Diff's picture with the standard deviation of its draws."""
    from dataclasses import replace

    import numpy as np

    from trifuse import report

    panels = [*((source.modality.value, source) for source in result.sources), *result.fused.items()]
    panels.append(("tfs-diff, x2", twice))
    if twice.uncertainty is not None:
        white = max(float(np.percentile(twice.uncertainty.pixels, 99.5)), 1e-6)
        spread = replace(twice.uncertainty, pixels=np.clip(twice.uncertainty.pixels / np.float32(white), 0, 1))
        panels.append((f"its SD, 0 to {100 * white:.1f} % of the grey range", spread))
    return report.contact_sheet(panels, path, columns=3)
