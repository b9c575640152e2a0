"""`trifuse evaluate`: how good a fused image is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trifuse.cli.common import (
    AllowGaps,
    Channels,
    DifferentPatients,
    Frames,
    Json,
    SeriesChoice,
    Units,
    Windows,
    answer,
    progress,
    say,
    table,
)

if TYPE_CHECKING:
    from trifuse.bench.folder import Measuring


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
        typer.Option(
            "--metrics", "-m", help="all, a preset (core, default, cddfuse, tang, ...) or names: vif,ssim,qabf."
        ),
    ] = "core",
    colour: Annotated[
        Literal["luma", "rgb"], typer.Option(help="Whether errors and SSIM are taken on luma or on the three channels.")
    ] = "luma",
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            help="A mask on the fused grid (not 0 counts; a folder of them for folders): the lesion of --metrics use, "
            "the pixels that count for others.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Folders: pictures measured at once.")] = 1,
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    channels: Channels = None,
    units: Units = "native",
    window: Windows = None,
    different_patients: DifferentPatients = False,
    json: Json = False,
) -> None:
    """Measure a fused image against its sources, a ground truth, or both; or a whole folder of them.

    With folders, files are matched by name: every fused picture needs a partner in each folder. Exit code 3 if
    some of them could not be measured.

    Examples:

      trifuse evaluate fused.png --source t1.png --source t2.png --source pet.png

      trifuse evaluate fused.png -s ct.png -s mr.png --metrics vif,ssim,qabf --json

      trifuse evaluate fused.png --reference truth.png --metrics psnr,ssim

      trifuse evaluate fused.png -s t1.png -s flair.png --mask tumour.png --metrics use

      trifuse evaluate results/ -s mri/ -s pet/ --metrics core --workers 4 --json
    """
    from trifuse.bench.folder import Measuring
    from trifuse.core.errors import InputError, OptionError, one_line
    from trifuse.metrics.presets import PRESETS

    if not source and reference is None and metrics in PRESETS:
        raise OptionError(
            "nothing to compare with; give --source or --reference, or name metrics that need none: en,sd,ag"
        )
    names = metrics if "," not in metrics else [name.strip() for name in metrics.split(",") if name.strip()]
    if fused.is_dir() and _holds_pictures(fused):
        single = next((path for path in [*(source or []), *([reference] if reference else [])] if path.is_file()), None)
        if single is not None:
            raise InputError(
                f"{one_line(single)}: is a file, and {one_line(fused)} a folder of results; give folders for all"
            )
    chosen = bool(frame or series or channels)
    if fused.is_dir() and all(path.is_dir() for path in source or []) and not chosen:
        how = Measuring(names, colour, tuple(window or ()), different_patients)
        _folder(fused, source or [], reference, mask, how, workers, json)
        return
    from trifuse.io.many import read_all
    from trifuse.metrics.images import evaluate as measure

    read = read_all(
        source or [],
        frames=frame or (),
        series=series or (),
        units=units,
        allow_gaps=allow_gaps,
        windows=window or (),
        channels=channels or (),
    )
    scores = measure(
        fused,
        sources=read,
        reference=reference,
        metrics=names,
        colour=colour,
        mask=mask,
        different_patients=different_patients,
    )
    if json:
        answer(scores)
    else:
        table("", ["metric", "value"], [[name, f"{value:.6g}"] for name, value in scores.items()])


def _holds_pictures(folder: Path) -> bool:
    """Whether a folder holds results, one file each, and no DICOM series."""
    from trifuse.io import formats

    ends = tuple(suffix for suffix in formats.suffixes() if suffix != ".dcm")
    return any(path.name.lower().endswith(ends) for path in folder.iterdir() if path.is_file())


def _folder(
    fused: Path,
    sources: list[Path],
    reference: Path | None,
    mask: Path | None,
    how: Measuring,
    workers: int,
    json: bool,
) -> None:
    from trifuse.bench.folder import evaluate_folder

    with progress(quiet=json):
        rows = evaluate_folder(fused, sources, reference, how, mask=mask, workers=workers)
    done = [row for row in rows if "error" not in row]
    failed = [row for row in rows if "error" in row]
    if json:
        answer({"rows": done, "failed": failed})
    elif done:
        columns = [name for name in done[0] if name != "case"]
        lines = [[row["case"], *(f"{row[c]:.4g}" for c in columns)] for row in done]
        mean = [f"{sum(row[c] for row in done) / len(done):.4g}" for c in columns]
        table("", ["case", *columns], [*lines, ["mean", *mean]])
    for row in failed if not json else []:
        say(f"failed: {row['case']}: {row['error']}")
    if failed:
        raise typer.Exit(3)
