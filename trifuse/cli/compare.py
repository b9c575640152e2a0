"""`trifuse compare`: every suitable method on the same sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trifuse.cli.common import (
    AllowGaps,
    Folder,
    Frames,
    Json,
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
    from trifuse.report.tables import Direction


@takes_run(without=["options"])
def compare(
    sources: Sources,
    output: Folder,
    methods: Annotated[str, typer.Option("--methods", "-m", help="Names, comma-separated, or all.")] = "all",
    metrics: Annotated[
        str, typer.Option(help="all, a preset (core, default, ...) or names, comma-separated.")
    ] = "core",
    *,
    run: Run,
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    units: Units = "native",
    json: Json = False,
) -> None:
    """Fuse the same images by every suitable method: pictures, a contact sheet and a table of metrics.

    Methods whose weights are not at hand, or that cannot take these sources, are skipped and named.
    Exit code 3 if a method that was asked for failed.

    [bold]Examples[/bold]

      trifuse compare t1.png t2.png pet.png -o comparison

      trifuse compare ct.png mr.png -o comparison --methods mean,laplacian,bitonicx --metrics vif,ssim,qabf
    """
    from trifuse.core.files import check_spares
    from trifuse.fusion import compare as comparison
    from trifuse.io.many import read_all

    check_spares(_outputs(output), sources)
    with progress(quiet=json):
        result = comparison.compare(
            read_all(sources, frames=frame or (), series=series or (), units=units, allow_gaps=allow_gaps),
            None if methods == "all" else names(methods),
            metrics=names(metrics) if "," in metrics else metrics,
            run=run,
        )
        written = write(result, output, titles=[path.name for path in sources])
    if json:
        answer({"rows": result.rows(), "skipped": result.skipped, "failed": result.failed, "written": written})
    else:
        show(result)
        say(f"contact sheet: {written['contact sheet']}\nmetrics: {written['metrics']}")
    if result.failed:
        raise typer.Exit(3)


def names(text: str) -> list[str]:
    """`"a, b"` as a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _outputs(folder: Path) -> list[Path]:
    """What may be written into the folder."""
    from trifuse import methods

    pictures = [folder / f"{name}{suffix}" for name in methods.names() for suffix in (".nii.gz", ".png")]
    return [*pictures, *(folder / name for name in ("contact-sheet.png", "metrics.md", "metrics.csv"))]


def show(result: Comparison) -> None:
    """Prints the table of metrics, and who did not take part and why."""
    rows = result.rows()
    if rows:
        columns = list(rows[0])
        table("", columns, [[row["method"], *(f"{row[c]:.4g}" for c in columns[1:])] for row in rows])
    for word, them in (("skipped", result.skipped), ("failed", result.failed)):
        for name, why in them.items():
            say(f"{word}: {name}: {why}")


def write(result: Comparison, folder: Path, titles: list[str]) -> dict[str, Path]:
    """Writes the fused images, the contact sheet and the table; says where the latter two are."""
    from trifuse import report
    from trifuse.core.files import write_text

    folder.mkdir(parents=True, exist_ok=True)
    volume = result.sources[0].dims == 3
    for name, fused in result.fused.items():
        fused.save(folder / f"{name}{'.nii.gz' if volume else '.png'}")
    panels = list(zip(titles, result.sources, strict=True))
    panels += [(name, fused.image) for name, fused in result.fused.items()]
    sheet = report.contact_sheet(panels, folder / "contact-sheet.png", columns=max(3, len(titles)))
    rows = result.rows()
    write_text(folder / "metrics.md", report.metrics_table(rows, directions=directions(rows)))
    return {"contact sheet": sheet, "metrics": write_text(folder / "metrics.csv", csv_text(rows))}


def directions(rows: list[dict[str, Any]]) -> dict[str, Direction]:
    """Which columns of a table of metrics are better high, and which low."""
    from trifuse import metrics

    cards = {name: metrics.get(name).card for name in rows[0] if name not in ("method", "seconds")} if rows else {}
    words: dict[str, Direction] = {"high": "higher", "low": "lower"}
    return {name: words[card.direction] for name, card in cards.items() if card.direction in words}


def csv_text(rows: list[dict[str, Any]]) -> str:
    """The table of metrics as CSV."""
    import csv
    import io as text

    out = text.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
