"""`trifuse compare`: every suitable method on the same sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifuse.cli.common import (
    AllowGaps,
    Channels,
    Folder,
    Frames,
    Json,
    Overwrite,
    SeriesChoice,
    Sources,
    Units,
    answer,
    progress,
    say,
    table,
)
from trifuse.cli.settings import takes_run
from trifuse.fusion.settings import Run

if TYPE_CHECKING:
    from trifuse.fusion.compare import Comparison


@takes_run(without=["options"])
def compare(
    sources: Sources,
    output: Folder,
    methods: Annotated[str, typer.Option("--methods", "-m", help="Names, comma-separated, or all.")] = "all",
    metrics: Annotated[
        str, typer.Option(help="all, a preset (core, default, ...) or names, comma-separated.")
    ] = "core",
    mask: Annotated[
        Path | None,
        typer.Option("--mask", help="A lesion's mask on the sources' grid, for --metrics use.", show_default=False),
    ] = None,
    *,
    run: Run,
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    channels: Channels = None,
    units: Units = "native",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fuse the same images by every suitable method: pictures, a contact sheet and a table of metrics.

    Methods whose weights are not at hand, or that cannot take these sources, are skipped and named.
    Exit code 3 if a method that was asked for failed.

    Examples:

      trifuse compare t1.png t2.png pet.png -o comparison

      trifuse compare ct.png mr.png -o comparison --methods mean,laplacian,bitonicx --metrics vif,ssim,qabf
    """
    from trifuse.core.extras import need
    from trifuse.core.files import check_spares
    from trifuse.core.replacing import check_claim
    from trifuse.fusion import compare as comparison
    from trifuse.io.many import read_all

    need("plot", "trifuse compare")
    check_spares(comparison.outputs_of(output), sources)
    read = read_all(
        sources,
        frames=frame or (),
        series=series or (),
        units=units,
        allow_gaps=allow_gaps,
        channels=channels or (),
    )
    if not overwrite:
        check_claim(output, "compare", comparison.key_of(read, run), comparison.outputs_of(output))
    chosen = None if methods == "all" else names(methods)
    if not json and (long := comparison.slow(chosen, read, run)):
        say(f"slow on one core: {', '.join(long)}; each picture is in {output} as soon as it is there")
    with progress(quiet=json):
        result = comparison.compare(
            read,
            chosen,
            metrics=names(metrics) if "," in metrics else metrics,
            mask=mask,
            folder=output,
            overwrite=overwrite,
            run=run,
        )
        written = result.save(output, overwrite=overwrite)
    if json:
        answer(
            {
                "rows": result.rows(),
                "notes": result.notes,
                "skipped": result.skipped,
                "failed": result.failed,
                "written": written,
            }
        )
    else:
        show(result)
        say(f"contact sheet: {written['contact sheet']}\nmetrics: {written['metrics']}")
    if result.failed:
        raise typer.Exit(3)


def names(text: str) -> list[str]:
    """`"a, b"` as a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def show(result: Comparison) -> None:
    """Prints the table of metrics, and who did not take part and why."""
    rows = result.rows()
    if rows:
        columns = list(rows[0])
        table("", columns, [[row["method"], *(f"{row[c]:.4g}" for c in columns[1:])] for row in rows])
    for note in result.notes:
        say(f"note: {note}")
    for word, them in (("skipped", result.skipped), ("failed", result.failed)):
        for name, why in them.items():
            say(f"{word}: {name}: {why}")
