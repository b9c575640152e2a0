"""All cases of a cohort, on any engine; what is done already is left alone, since the truth is on disk."""

from __future__ import annotations

import csv
import io as streams
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse.cohort import bids, page
from trifuse.cohort.task import RECORDS, Job, peak_of, work
from trifuse.core.cells import csv_cell
from trifuse.core.errors import InputError, OptionError, TrifuseError
from trifuse.core.extras import need
from trifuse.core.files import check_spares, write_text
from trifuse.core.replacing import claim
from trifuse.core.version import __version__
from trifuse.engines import Engine, Local, one_line_error, outcomes
from trifuse.fusion import memory

TABLE = "cohort.csv"


@dataclass(frozen=True)
class Done:
    """What a cohort left.

    Attributes:
        records: one for each case, in order; those of failed cases have an `error`.
        table: the records as a table.
        page: the cohort on one page.
        fresh: how many cases were worked on; the others were done before.
    """

    records: list[dict[str, Any]]
    table: Path
    page: Path
    fresh: int

    @property
    def failed(self) -> dict[str, str]:
        """Case -> why it is not done."""
        return {record["case"]: record["error"] for record in self.records if "error" in record}


def cohort(
    jobs: Sequence[Job], engine: Engine = Local(), *, shard: tuple[int, int] = (1, 1), overwrite: bool = False
) -> Done:
    """Works on what is not done yet and writes a table and a page of all that is there.

    Args:
        jobs: the cases, all with results in one folder.
        engine: where they are worked on.
        shard: which part of how many, from 1, for the members of a job array; each does its own cases, and the last one
            to end writes the whole table.
        overwrite: whether files in the folder may be replaced that no cohort made.

    Raises:
        OptionError: if there is no such part.
        ExtraError: if what draws the page or the sheets is not installed.
        InputError: if there is no case, or the folder holds something else.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise OptionError(f"--shard {number}/{count} is no part; give 1/{count} to {count}/{count}")
    if not jobs:
        raise InputError("there is no case to work on")
    need("cohort", "the page of a cohort", "jinja2")
    if any(job.sheet for job in jobs):
        need("cohort", "a cohort's sheets (off with --no-sheet)", "matplotlib")
    _claim(jobs, overwrite)
    own = list(jobs)[number - 1 :: count]
    missing = sorted((job for job in own if not job.is_done()), key=_size, reverse=True)
    engine = memory.fitted(engine, lambda: peak_of(missing[0])) if missing else engine
    for job, outcome in zip(missing, outcomes(work, missing, engine), strict=True):
        if outcome.error is not None:
            _record_failure(job, outcome.error)
    records = [_known(job) for job in jobs]
    folder = jobs[0].folder
    table = write_text(folder / TABLE, _csv(records))
    return Done(records, table, page.write(records, folder), len(missing))


def _claim(jobs: Sequence[Job], overwrite: bool) -> None:
    """Makes the folder the cohort's, which spares the sources and what others put there."""
    for job in jobs:
        extra = [path for path in (job.case.mask, job.case.reference) if path is not None]
        check_spares(job.outputs(), [*job.case.sources.values(), *extra])
    folder, own = jobs[0].folder, [path for job in jobs for path in job.outputs()]
    common = [folder / name for name in (TABLE, page.NAME, bids.DESCRIPTION, RECORDS)]
    claim(folder, "cohort", "", [*common, *own], overwrite=overwrite)


def _size(job: Job) -> int:
    """Bytes of the sources: the largest cases first, so that none is left running alone at the end."""
    try:
        return sum(_bytes(path) for path in job.case.sources.values())
    except (OSError, ValueError):
        return 0


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    return path.stat().st_size


def _record_failure(job: Job, error: Exception) -> None:
    """Of a case that could not record anything itself, since its process died or its engine failed."""
    if isinstance(error, TrifuseError) or not job.record.is_file():
        content = {"case": job.case.name, "trifuse": __version__, "method": job.method, "error": one_line_error(error)}
        write_text(job.record, json.dumps(content, indent=1))


def _known(job: Job) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(job.record.read_text(encoding="utf-8"))
        return record
    except (OSError, ValueError, RecursionError):
        return {"case": job.case.name, "error": "not done yet (another part of the cohort?)"}


def _csv(records: Sequence[dict[str, Any]]) -> str:
    scores = list(dict.fromkeys(name for record in records for name in record.get("scores", {})))
    columns = ["case", "method", "fused", "overlap", "moved_mm", "seconds", *scores, "error"]
    text = streams.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    for record in records:
        row = {**record, **record.get("scores", {}), "fused": record.get("written", {}).get("fused", "")}
        writer.writerow({name: csv_cell(row.get(name)) for name in columns})
    return text.getvalue()
