"""`trifuse cohort`: the same fusion of hundreds of patients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from trifuse.cli.common import AllowGaps, Folder, Frames, Json, Overwrite, SeriesChoice, Units, answer, progress, say
from trifuse.cli.engines import memory_of, takes_engine
from trifuse.cli.settings import takes_run
from trifuse.engines import Engine
from trifuse.fusion.settings import Run
from trifuse.methods import DEFAULT


@takes_engine
@takes_run(without={"memory"})
def cohort(
    cases: Annotated[
        list[Path],
        typer.Argument(
            metavar="CASES",
            help="A CSV or YAML table (case, t1, pet, ...), a folder of study folders, a BIDS data set, or two and "
            "more folders of one modality each whose files are named alike.",
            show_default=False,
        ),
    ],
    output: Folder,
    method: Annotated[str, typer.Option("--method", "-m", help="How to fuse; see `trifuse methods`.")] = DEFAULT,
    *,
    run: Run,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", "-s", help="An image of every case, the reference first: a column or a modality."),
    ] = None,
    participant_label: Annotated[list[str] | None, typer.Option(help="BIDS: only this participant.")] = None,
    session_label: Annotated[list[str] | None, typer.Option(help="BIDS: only this session.")] = None,
    keep_names: Annotated[
        bool, typer.Option(help="Of a folder of studies: call cases as their folders, which may be patients' names.")
    ] = False,
    units: Units = "native",
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    metrics: Annotated[
        str, typer.Option(help="Measure each result: all, a preset (core, default, ...) or names, comma-separated.")
    ] = "",
    sheet: Annotated[bool, typer.Option(help="Draw sources and result of each case side by side.")] = True,
    suffix: Annotated[
        str | None, typer.Option(help="Format of the results: .nii.gz, .png, .dcm ...; by default .nii.gz or .png.")
    ] = None,
    engine: Engine,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Work on part I of N: for job arrays, without any engine.")
    ] = "1/1",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fuse every case of a list, a folder or a BIDS data set; what is done already is left alone.

    Results lie in OUTPUT/CASE/, with a table (cohort.csv) and a page (index.html) of the whole cohort. A run that was
    stopped, or whose files or settings changed, does again only what is missing or changed. A case that fails is a row
    with its reason and stops no other; the exit code is then 3.

    Examples:

      trifuse cohort studies.csv -o fused --jobs 4

      trifuse cohort ct/ pet/ -o fused --register rigid

      trifuse cohort bids/ -o derivatives/trifuse --source t1 --source pet --participant-label 01

      trifuse cohort studies.csv -o fused --engine dask --cluster slurm --resources slurm.yaml --jobs 40

      trifuse cohort studies.csv -o fused --shard $SLURM_ARRAY_TASK_ID/20
    """
    from trifuse.cohort import Job, cases_of
    from trifuse.cohort import cohort as run_cohort
    from trifuse.cohort.cases import Choice, describe_if_bids
    from trifuse.core.errors import InputError, one_line
    from trifuse.io.many import Choices

    choices = Choices(tuple(series or ()), tuple(frame or ()), allow_gaps)
    labels = tuple(participant_label or ()), tuple(session_label or ())
    choice = Choice(tuple(source or ()), *labels, keep_names, choices.series)
    found = cases_of(cases, choice)
    chosen = tuple(name.strip() for name in metrics.split(",")) if "," in metrics else metrics
    run = run.changed(memory=memory_of(engine))
    todo = [Job(case, output, method, run, chosen, sheet, suffix, units, choices) for case in found]
    if cases[0].resolve() == output.resolve():
        raise InputError(f"{one_line(output)}: holds the cases themselves; choose another folder for the results")
    with progress(quiet=json):
        done = run_cohort(todo, engine, shard=_shard(shard), overwrite=overwrite)
    describe_if_bids(cases[0], output)
    if json:
        answer({"table": done.table, "page": done.page, "failed": done.failed, "records": done.records})
    else:
        for case, why in done.failed.items():
            say(f"failed: {case}: {why}")
        say(f"{len(done.records) - len(done.failed)} of {len(done.records)} cases are done, {done.fresh} of them now")
        say(f"table: {done.table}\npage: {done.page}")
    if done.failed:
        raise typer.Exit(3)


def _shard(text: str) -> tuple[int, int]:
    from trifuse.core.errors import OptionError

    matched = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if matched is None:
        raise OptionError(f"--shard {text!r} is no part; give I/N, such as 3/20")
    return int(matched[1]), int(matched[2])
