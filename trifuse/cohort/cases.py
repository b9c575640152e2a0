"""The cases of a cohort, however they are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifuse.cohort import bids, folders
from trifuse.cohort.case import Case
from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.rows import rows_of
from trifuse.fusion.settings import SETTINGS
from trifuse.prepare.studies import CHOICES

__all__ = ["Case", "Choice", "cases_of"]

OTHERS = ("mask", "reference", "method", "patient", "split")
"""Columns that are neither sources nor settings of a run."""

EXAMPLE = "a CSV table with case, t1, pet, ..., a YAML file, a folder of study folders, or a BIDS data set"


@dataclass(frozen=True)
class Choice:
    """Which cases, and which of their images.

    Attributes:
        sources: names of the images of each case, the reference first: columns, file names or modalities; all if empty.
        participants, sessions: labels of a BIDS data set to keep, without `sub-` and `ses-`; all if empty.
        keep_names: whether cases of a folder are called as their folders.
        series: which DICOM series of study folders that hold several of a kind (see `trifuse.io.many.Choices`).
    """

    sources: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    keep_names: bool = False
    series: tuple[str, ...] = ()


def cases_of(paths: Sequence[Path], choice: Choice = Choice()) -> list[Case]:
    """The cases that a table, a folder of studies, a BIDS data set or two and more parallel folders hold, in order.

    A table has a column `case`, a column of paths for each source, named by its modality, any of `pet_series` and
    `pet_frame` (which of the series and frames of column `pet`), and any of `mask`, `reference`, `method` and the
    settings of a run, for that case alone. Paths are relative to the table.

    Raises:
        InputError: if the list cannot be read, is empty, or names a case twice. What is wrong with one case is said in
            its `error`, and stops no other.
        OptionError: if labels are given where there is no BIDS data set.
    """
    if len(paths) > 1:
        found = folders.parallel(paths)
    elif bids.is_dataset(paths[0]):
        found = bids.cases(paths[0], choice.sources, choice.participants, choice.sessions)
    elif choice.participants or choice.sessions:
        raise OptionError(f"{one_line(paths[0])}: no dataset_description.json, so no participants to choose from")
    elif paths[0].is_dir():
        found = folders.studies(paths[0], choice.sources, keep_names=choice.keep_names, series=choice.series)
    else:
        found = [_of_row(row, paths[0].parent, choice.sources) for row in rows_of(paths[0], "cases", EXAMPLE)]
    if not found:
        raise InputError(f"{one_line(paths[0])}: holds no case; give {EXAMPLE}")
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    if twice:
        raise InputError(f"{one_line(paths[0])}: two cases are called {one_line(twice[0])}; give each its own name")
    return found


def _of_row(row: Mapping[str, str], folder: Path, wanted: Sequence[str]) -> Case:
    name = row["case"] or "?"
    settings = {key: value for key, value in row.items() if (key in SETTINGS or key == "method") and value}
    columns = [key for key in row if key != "case" and key not in (*OTHERS, *SETTINGS) and row[key]]
    columns = [key for key in columns if not key.endswith(CHOICES)]
    missing = [key for key in wanted if not row.get(key)]
    named = list(wanted) or columns
    if missing:
        return Case(name, error=f"the list names no {', '.join(missing)}")
    if len(named) < 2:
        return Case(name, error="the list names fewer than two images")
    paths = {key: folder / Path(row[key]).expanduser() for key in (*named, "mask", "reference") if row.get(key)}
    sources = {key: paths[key] for key in named}
    picked = {key: {end[1:]: row[key + end] for end in CHOICES if row.get(key + end)} for key in named}
    return Case(name, sources, paths.get("mask"), paths.get("reference"), settings, picked)


def describe_if_bids(source: Path, output: Path) -> None:
    """Makes the results of a BIDS data set a BIDS derivative: they get its description."""
    if bids.is_dataset(source):
        bids.describe(output, source)
