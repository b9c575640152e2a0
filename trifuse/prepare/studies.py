"""The list of studies: a CSV table, a YAML file, or a folder with one folder per study."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, one_line
from trifuse.core.files import natural_key
from trifuse.core.rows import rows_of
from trifuse.prepare.exports import chosen, common

RESERVED = ("study", "case", "patient", "split", "register", "kind", "functional")
"""Columns and fields that are no images."""

EXAMPLE = "a CSV table with study, t1, pet, ..., a YAML file, or a folder of studies"

CHOICES = ("_series", "_frame")
"""Ends of the names of columns that choose within the image of the column before: `pet`, `pet_series`, `pet_frame`."""


@dataclass(frozen=True)
class Study:
    """Images of one patient that belong together.

    Attributes:
        name: of the study, fit for a file name.
        sources: name -> file or DICOM folder, the reference first.
        series: name -> DICOM series in that folder, where it holds several.
        frames: name -> frame, where the list names one.
        patient: who; the study itself where unknown.
        split: "train", "val" or "test"; empty if it is to be drawn.
        register: the study's own way of registration; empty for the one of the settings.
        error: why its sources could not be found; empty if they were.
        coded: whether `name` is a code, and `patient` (a folder's name, which may be a person's) is told to nobody.
    """

    name: str
    sources: Mapping[str, Path] = field(default_factory=dict)
    series: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, str] = field(default_factory=dict)
    patient: str = ""
    split: str = ""
    register: str = ""
    error: str = ""
    coded: bool = False

    @property
    def shown_patient(self) -> str:
        """What tables and records call the patient."""
        return self.name if self.coded else self.patient

    def choices(self, name: str) -> dict[str, str]:
        """What is chosen of an image: "series", "frame"."""
        chosen = {"series": self.series.get(name, ""), "frame": self.frames.get(name, "")}
        return {option: value for option, value in chosen.items() if value}

    def redacted(self, text: str) -> str:
        """A message without the name that the code stands for."""
        if not self.coded:
            return text
        return re.sub(rf"(?<!\w){re.escape(self.patient)}(?!\w)", self.name, text)


def listed(
    path: Path, wanted: Sequence[str] = (), *, keep_names: bool = False, series: Sequence[str] = ()
) -> list[Study]:
    """The studies of a list, in its order.

    A table has a column `study` (or `case`), any of `patient`, `split` and `register`, and one column of paths for each
    image; `pet_series` and `pet_frame` choose within the image of column `pet`. A YAML file has
    `studies: {NAME: {t1: PATH, pet: PATH, patient: ...}}`. Paths are relative to the list. In a folder of studies,
    images are recognised by file or folder name, or by what made them (see `exports.chosen`).

    Args:
        path: CSV or YAML file, or folder.
        wanted: names of the images of each study, the reference first; all of them if empty.
        keep_names: whether studies of a folder are called as their folders, which often bear patients' names;
            study-001, study-002 ... otherwise, in the folders' natural order.
        series: which DICOM series of a folder of studies (see `Settings.series`).

    Raises:
        InputError: if the list cannot be read, is empty, or names a study twice. A study that lacks an image is no
            error here: it says so itself.
    """
    if path.is_dir():
        found = _of_folder(path, wanted, keep_names, series)
    else:
        found = [_study(row, path, wanted) for row in rows_of(path, "studies", EXAMPLE)]
    if not found:
        raise InputError(f"{one_line(path)}: lists no study")
    twice = [name for name, count in Counter(study.name for study in found).items() if count > 1]
    if twice:
        raise InputError(f"{one_line(path)}: two studies are named {twice[0]}; give each its own name")
    return found


def plain(name: str) -> str:
    """A name fit for a file: letters, digits and "-_." are kept."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "_"


def _study(row: Mapping[str, Any], table: Path, wanted: Sequence[str]) -> Study:
    names = list(wanted) or [key for key in row if key not in RESERVED and row[key] and not key.endswith(CHOICES)]
    missing = [name for name in names if not row.get(name)]
    error = f"the list names no {', '.join(missing)}" if missing else ""
    if not error and len(names) < 2:
        error = "the list names fewer than two images"
    name = str(row["case"])
    return Study(
        name=plain(name),
        sources={} if error else {plain(key): table.parent / Path(row[key]).expanduser() for key in names},
        series={plain(key): str(row[f"{key}_series"]) for key in names if row.get(f"{key}_series")},
        frames={plain(key): str(row[f"{key}_frame"]) for key in names if row.get(f"{key}_frame")},
        patient=str(row.get("patient") or name),
        split=str(row.get("split") or ""),
        register=str(row.get("register") or ""),
        error=error,
    )


def _of_folder(path: Path, wanted: Sequence[str], keep_names: bool, series: Sequence[str]) -> list[Study]:
    folders = sorted(
        (entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")),
        key=lambda entry: natural_key(entry.name),
    )
    if not folders:
        raise InputError(f"{one_line(path)}: holds no folders; give the folder above the studies' folders, or a list")
    names = list(wanted) or common(folders, path)
    found = []
    for number, folder in enumerate(folders, start=1):
        study = Study(plain(folder.name) if keep_names else f"study-{number:03d}", patient=folder.name)
        study = replace(study, coded=not keep_names)
        try:
            images = chosen(folder, names, series)
            picked = {name: image.series for name, image in images.items() if image.series}
            found.append(replace(study, sources={n: i.path for n, i in images.items()}, series=picked))
        except InputError as error:
            found.append(replace(study, error=study.redacted(str(error))))
    return found
