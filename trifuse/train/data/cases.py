"""Cases to learn from: which pictures belong together, found in tables or folders."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np

from trifuse.core.errors import GridError, InputError, brief
from trifuse.core.files import read_text
from trifuse.train.data.drawn import note
from trifuse.train.data.images import load
from trifuse.train.data.official import found, partners
from trifuse.train.settings.data import Folder, Studies, Tables

Phase = Literal["train", "val"]


@dataclass(frozen=True)
class Case:
    """Registered pictures of one patient.

    Attributes:
        name: for messages and logs.
        sources: two or more files, structural ones first, a coloured one last.
        truth: the fused picture, where it is given.
        patient: who; the case itself where unknown.
        kind: which modalities, as the table says.
        collection: the folder of the table that lists it.
    """

    name: str
    sources: tuple[Path, ...]
    truth: Path | None = None
    patient: str = ""
    kind: str = ""
    collection: str = ""


def cases(data: Tables | Folder | Studies, phase: Phase) -> list[Case]:
    """The cases of one phase, sorted by name, with equal sizes within each.

    Raises:
        InputError: if there is none for training, a file is missing, or the data are volumes.
        GridError: if the pictures of a case differ in size.
    """
    if isinstance(data, Studies):
        raise InputError("data of kind studies are volumes, which only the objective dc2fusion learns from")
    listed = _of_tables(data, phase) if isinstance(data, Tables) else _of_folder(data, phase)
    if not listed and phase == "train":
        raise InputError("the data of the recipe hold no case for training; check the paths and the split")
    for case in listed:
        check_sizes(case)
    return listed


def drawn_pair(case: Case, random: np.random.Generator) -> tuple[Path, Path]:
    """Two sources of a case: MR before CT before what is functional; any two where there are more."""
    if len(case.sources) == 2:
        return case.sources[0], case.sources[1]
    first, second = (case.sources[int(index)] for index in random.choice(len(case.sources), 2, replace=False))
    return (first, second) if _late(first) <= _late(second) else (second, first)


def _late(path: Path) -> int:
    """Where a picture stands in a pair, by the beginning of its file's name."""
    name = path.stem.lower()
    return 2 if name.startswith(("pet", "spect")) else int(name.startswith("ct"))


def volume_pairs(data: Tables | Studies, phase: Phase) -> list[tuple[Path, Path]]:
    """The pairs of volumes of one phase: those that studies name, or the first image of a table's row with every other.

    Raises:
        InputError: if there is none for training, or a file is missing.
    """
    if isinstance(data, Studies):
        names = data.train if phase == "train" else data.val
        pairs = [(data.folder / name / a, data.folder / name / b) for name in names for a, b in data.pairs]
    else:
        pairs = [(case.sources[0], other) for case in _of_tables(data, phase) for other in case.sources[1:]]
    if not pairs and phase == "train":
        raise InputError("the data of the recipe hold no pair of volumes for training; check the paths and the split")
    for path in (path for pair in pairs for path in pair):
        if not path.exists():
            raise InputError(f"{path}: there is no such volume, which the data of the recipe name")
    return pairs


def check_sizes(case: Case) -> None:
    """Raises a GridError if the pictures of a case differ in size."""
    files = [*case.sources, *([case.truth] if case.truth else [])]
    sizes = [load(path).shape[1:] for path in files]
    if len(set(sizes)) > 1:
        table = "\n".join(f"{path}  {size[0]}x{size[1]}" for path, size in zip(files, sizes, strict=True))
        raise GridError(f"case {case.name}: pictures of unequal size; register them first", table)


def _of_tables(data: Tables, phase: Phase) -> list[Case]:
    wanted = data.train if phase == "train" else data.val
    listed = []
    for table in data.tables:
        try:
            rows = list(csv.DictReader(StringIO(read_text(table, "table"), newline="")))
        except csv.Error as error:
            raise InputError(f"{table}: is no CSV table ({brief(error)})") from None
        columns = [name for name in (rows[0] if rows else {}) if name.startswith("path_")]
        if len(columns) < 2:
            raise InputError(f"{table}: no columns path_1, path_2, ... with the pictures of a case")
        for row in rows:
            if row.get("split", wanted) != wanted or row.get("patient", row["case"]) in data.leave_out:
                continue
            if phase == "val" and data.functional and row.get("functional") != "yes":
                continue
            sources = tuple(_beside(table, row[column]) for column in columns if row[column])
            kind = row.get("kind", "")
            name, patient = f"{row['case']} {kind}".strip(), row.get("patient", row["case"])
            listed.append(Case(name, sources, None, patient, kind, table.parent.name))
    return sorted(listed, key=lambda case: (case.name, case.sources))


def _beside(table: Path, name: str) -> Path:
    """A path in a table: relative to the table's folder, or to the folder above."""
    here = table.parent / name
    return here if here.exists() else table.parent.parent / name


def _of_folder(data: Folder, phase: Phase) -> list[Case]:
    root = data.folder
    if all((root / modality).is_dir() for modality in data.modalities):
        found_cases = _per_modality(data)
    else:
        found_cases = _per_case(data)
    held_out = round(len(found_cases) * data.held_out)
    kept = len(found_cases) - held_out
    return found_cases[:kept] if phase == "train" else found_cases[kept:]


def _per_modality(data: Folder) -> list[Case]:
    names = sorted(found(data.folder / data.modalities[0]))
    columns = [partners(data.folder / modality, names) for modality in data.modalities]
    truths = partners(data.folder / data.truth, names) if data.truth else {}
    return [Case(name, tuple(column[name] for column in columns), truths.get(name), name) for name in names]


def _per_case(data: Folder) -> list[Case]:
    wanted: Sequence[str] = [*data.modalities, *([data.truth] if data.truth else [])]
    listed = []
    for folder in sorted(path for path in data.folder.iterdir() if path.is_dir()) if data.folder.is_dir() else []:
        files = partners(folder, list(wanted))
        sources = tuple(files[modality] for modality in data.modalities)
        listed.append(Case(folder.name, sources, files[data.truth] if data.truth else None, folder.name))
    if not listed:
        raise InputError(
            f"{data.folder}: neither one folder per modality ({', '.join(data.modalities)}) nor one folder per case"
        )
    return listed


@dataclass(frozen=True, eq=False)
class CaseSampler:
    """Cases to draw from: a kind by its share (1 where not named), then a case of that kind.

    With `by_patient` every patient of a kind is drawn as often as any other, however many cases there are of each.
    """

    cases: Sequence[Case]
    shares: Mapping[str, float]
    by_patient: bool = False

    @cached_property
    def _kinds(self) -> dict[str, list[Case]]:
        kinds: dict[str, list[Case]] = {kind: [] for kind in sorted({case.kind for case in self.cases})}
        for case in self.cases:
            kinds[case.kind].append(case)
        return kinds

    def draw(self, random: np.random.Generator) -> Case:
        """A case."""
        share = np.array([self.shares.get(kind, 1.0) for kind in self._kinds])
        members = list(self._kinds.values())[int(random.choice(len(share), p=share / share.sum()))]
        if self.by_patient:
            patients = sorted({case.patient for case in members})
            chosen = patients[int(random.integers(len(patients)))]
            members = [case for case in members if case.patient == chosen]
        case = members[int(random.integers(len(members)))]
        note(case.name)
        return case
