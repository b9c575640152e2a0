"""`trifuse prepare`: from exported studies to a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from trifuse.cli.common import AllowGaps, Folder, Frames, Json, Overwrite, SeriesChoice, Windows, answer, progress, say
from trifuse.cli.engines import takes_engine
from trifuse.engines import Engine


@takes_engine
def prepare(
    studies: Annotated[
        Path,
        typer.Argument(
            help="List of studies (CSV with columns study, t1, pet, ...; or YAML), or a folder with one folder each."
        ),
    ],
    output: Folder,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            help="An image of every study, the reference first: a column, a name, or a modality (mr, pet).",
        ),
    ] = None,
    register: Annotated[
        Literal["auto", "resample", "rigid", "affine", "deformable"],
        typer.Option(help="auto trusts headers that share a frame of reference, and registers rigidly otherwise."),
    ] = "auto",
    spacing: Annotated[float, typer.Option(help="Side of the voxels in mm; 0 keeps the reference's grid.")] = 1.0,
    normalise: Annotated[
        Literal["robust", "minmax", "none"],
        typer.Option(help="What becomes 0 and 1: percentiles 0.1 and 99.9 (CT: -200 and 800 HU), or the extremes."),
    ] = "robust",
    units: Annotated[
        Literal["auto", "native", "suv"],
        typer.Option(help="PET from DICOM: SUVbw where the header allows it, as stored, or SUVbw or failure."),
    ] = "auto",
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    different_patients: Annotated[
        bool, typer.Option("--different-patients", help="Take studies whose headers name different patients.")
    ] = False,
    window: Windows = None,
    val: Annotated[float, typer.Option(help="Share of the patients for validation, if the list has no split.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the patients for testing, if the list has no split.")] = 0.0,
    *,
    engine: Engine,
    keep_names: Annotated[
        bool,
        typer.Option(
            help="Of a folder of studies: keep the folders' names, which may be patients', in paths and tables. "
            "Studies are called study-001, study-002 ... otherwise."
        ),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            help="STUDIES is an ADNI download, of which to take the images with the numbers in this CSV: rows of "
            "several make a study, others are matched by person and nearest date.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Turn studies as exported (DICOM or NIfTI) into a data set: one grid, one voxel size, values 0..1.

    The folder gets images/STUDY/NAME.nii.gz, records/STUDY.json (what was done and how well it fits) and manifest.csv,
    which `trifuse train` and `trifuse bench` read. A run that was stopped goes on where it stopped. A study that
    fails is reported and does not stop the rest; the exit code is then 3.

    Examples:

      trifuse prepare studies.csv -o dataset

      trifuse prepare export/ -o dataset --source mr --source pet --jobs 4

      trifuse prepare export/ -o dataset --source ct --source pet --series 2:5 --frame 2:mean

      trifuse prepare studies.csv -o dataset --register resample --spacing 2

      trifuse prepare ADNI/ --images ImageID.csv -o dataset --source mr --source pet
    """
    from trifuse.prepare import Settings
    from trifuse.prepare import prepare as run

    settings = Settings(
        sources=tuple(source or ()),
        register=register,
        spacing=spacing,
        normalise=normalise,
        units=units,
        frames=tuple(frame or ()),
        series=tuple(series or ()),
        allow_gaps=allow_gaps,
        different_patients=different_patients,
        windows=tuple(window or ()),
        val=val,
        test=test,
    )
    with progress(quiet=json):
        done = run(studies, output, settings, engine=engine, images=images, keep_names=keep_names, overwrite=overwrite)
    if json:
        answer({"manifest": done.manifest, "prepared": done.rows, "failed": done.failed, "warnings": done.warnings})
    else:
        for code, folder in done.codes.items():
            say(f"{code}: {folder}")
        for name, texts in done.warnings.items():
            for text in texts:
                say(f"note: {name}: {text}")
        for name, error in done.failed.items():
            say(f"failed: {name}: {error}")
        splits = Counter(row["split"] for row in done.rows)
        counts = ", ".join(f"{count} {split}" for split, count in splits.items()) or "none"
        say(f"manifest: {done.manifest}  ({len(done.rows)} studies: {counts}; {len(done.failed)} failed)")
        if not done.fresh:
            say("nothing was left to do: every study was made from the same files with the same settings")
    if done.failed:
        raise typer.Exit(3)
