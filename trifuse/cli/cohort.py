"""`trifuse cohort`: the same fusion of hundreds of patients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trifuse.cli.common import AllowGaps, Folder, Frames, Json, SeriesChoice, Units, answer, progress, say
from trifuse.cli.settings import takes_run
from trifuse.fusion.settings import Run
from trifuse.methods import DEFAULT

if TYPE_CHECKING:
    from trifuse.engines import Engine


@takes_run()
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
    engine: Annotated[Literal["local", "dask"], typer.Option(help="Processes of this computer, or Dask.")] = "local",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Cases worked on at once.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="Most memory of one worker, such as 8GB; a case that takes more fails alone.")
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Work on part I of N: for job arrays, without any engine.")
    ] = "1/1",
    scheduler: Annotated[str | None, typer.Option(help="Dask: address of a scheduler that runs already.")] = None,
    cluster: Annotated[
        Literal["local", "slurm", "pbs", "lsf", "sge"], typer.Option(help="Dask: what starts the workers.")
    ] = "local",
    resources: Annotated[
        Path | None, typer.Option(help="Dask: YAML of what a worker asks of the cluster (queue, walltime, cores ...).")
    ] = None,
    json: Json = False,
) -> None:
    """Fuse every case of a list, a folder or a BIDS data set; what is done already is left alone.

    Results lie in OUTPUT/CASE/, with a table (cohort.csv) and a page (index.html) of the whole cohort. A run that was
    stopped, or whose files or settings changed, does again only what is missing or changed. A case that fails is a row
    with its reason and stops no other; the exit code is then 3.

    [bold]Examples[/bold]

      trifuse cohort studies.csv -o fused --jobs 4

      trifuse cohort ct/ pet/ -o fused --register rigid

      trifuse cohort bids/ -o derivatives/trifuse --source t1 --source pet --participant-label 01

      trifuse cohort studies.csv -o fused --engine dask --cluster slurm --resources slurm.yaml --jobs 40

      trifuse cohort studies.csv -o fused --shard $SLURM_ARRAY_TASK_ID/20
    """
    from trifuse.cohort import Job, cases_of
    from trifuse.cohort import cohort as run_cohort
    from trifuse.cohort.cases import Choice, describe_if_bids
    from trifuse.io.many import Choices

    choices = Choices(tuple(series or ()), tuple(frame or ()), allow_gaps)
    labels = tuple(participant_label or ()), tuple(session_label or ())
    choice = Choice(tuple(source or ()), *labels, keep_names, choices.series)
    found = cases_of(cases, choice)
    chosen = tuple(name.strip() for name in metrics.split(",")) if "," in metrics else metrics
    todo = [Job(case, output, method, run, chosen, sheet, suffix, units, choices) for case in found]
    describe_if_bids(cases[0], output)
    with progress(quiet=json):
        done = run_cohort(todo, _engine(engine, jobs, memory, scheduler, cluster, resources), shard=_shard(shard))
    if json:
        answer({"table": done.table, "page": done.page, "failed": done.failed, "records": done.records})
    else:
        for case, why in done.failed.items():
            say(f"failed: {case}: {why}")
        say(f"{len(done.records) - len(done.failed)} of {len(done.records)} cases are done, {done.fresh} of them now")
        say(f"table: {done.table}\npage: {done.page}")
    if done.failed:
        raise typer.Exit(3)


def _engine(
    engine: str, jobs: int, memory: str | None, scheduler: str | None, cluster: str, resources: Path | None
) -> Engine:
    from trifuse.core.errors import OptionError
    from trifuse.engines import Local

    if engine == "local":
        if scheduler is not None or cluster != "local" or resources is not None:
            raise OptionError("--scheduler, --cluster and --resources are for --engine dask")
        return Local(workers=jobs, memory=None if memory is None else byte_count(memory))
    from trifuse.engines.dask import Dask

    asked = _mapping(resources) if resources is not None else {}
    return Dask(scheduler, cluster, jobs, memory, resources=asked, tell=say)  # type: ignore[arg-type]


def _mapping(path: Path) -> dict[str, object]:
    import yaml

    from trifuse.core.errors import InputError, brief, one_line

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{one_line(path)}: the resources cannot be read ({brief(error)})") from None
    if not isinstance(content, dict):
        raise InputError(f"{one_line(path)}: resources are a mapping, such as queue: long and walltime: 08:00:00")
    return {str(name): value for name, value in content.items()}


def _shard(text: str) -> tuple[int, int]:
    from trifuse.core.errors import OptionError

    matched = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if matched is None:
        raise OptionError(f"--shard {text!r} is no part; give I/N, such as 3/20")
    return int(matched[1]), int(matched[2])


UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def byte_count(text: str) -> int:
    """Bytes in a text such as "8GB", "512MiB" or "2e9".

    Raises:
        OptionError: if it is none.
    """
    from trifuse.core.errors import OptionError

    matched = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?I?)B?\s*", text.upper())
    if matched is None or matched[2] not in UNITS or float(matched[1]) <= 0:
        raise OptionError(f"memory {text!r} is no size; give, for example, 8GB or 512MiB")
    return int(float(matched[1]) * UNITS[matched[2]])
