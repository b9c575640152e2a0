"""What a path on the command line stands for: an image, a study, a result, or a folder of results."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, one_line
from trifuse.core.files import natural_key
from trifuse.io import formats
from trifuse.io.sniff import is_dicom, walked

MOST_CASES = 2000
MOST_FILES = 200_000
"""Files that are looked at below a folder."""

DRAWINGS = ("contact-sheet.png", "-sheet.png", "-uncertainty-map.png")
"""Ends of the names of pictures that are made for people and are no images to fuse."""

UNCERTAINTY = "-uncertainty"


@dataclass(frozen=True)
class Result:
    """A fused image on disk.

    Attributes:
        path: of it.
        provenance: what stands beside it.
        uncertainty: file of its standard deviation.
        scores: metric -> value, where a table holds them.
    """

    path: Path
    provenance: Mapping[str, Any]
    uncertainty: Path | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What is shown together.

    Attributes:
        name: for people.
        sources: files and DICOM folders.
        results: what was made of them.
    """

    name: str
    sources: tuple[Path, ...] = ()
    results: tuple[Result, ...] = ()


def cases_of(paths: Sequence[Path]) -> list[Case]:
    """What paths stand for: one case of all files given, or the cases of a folder of results.

    Raises:
        InputError: if a path is missing, or a folder holds nothing to show.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{one_line(path)}: no such file or folder; check the path")
    if len(paths) == 1 and paths[0].is_dir():
        return _of_folder(paths[0])
    results = [_result(path) for path in paths if path.is_file() and provenance_of(path)]
    made = {path for result in results for path in (result.path, result.uncertainty)}
    sources = [path for path in paths if path not in made]
    return [Case("", tuple(sources), tuple(results))] if paths else []


def provenance_of(path: Path) -> Mapping[str, Any] | None:
    """The provenance beside a result of ours; None where there is none."""
    try:
        known = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and "trifuse" in known and "method" in known else None


def image_files(folder: Path) -> list[Path]:
    """Files directly in a folder that are called as images are, in the order of people."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        raise InputError(f"{one_line(folder)}: the folder cannot be opened ({error.strerror})") from None
    return [path for path in entries if _is_image(path) and path.is_file()]


def _of_folder(folder: Path) -> list[Case]:
    results = _grouped(_results_below(folder))
    if results:
        scores = _scores(folder)
        return [
            Case(one_line(place.relative_to(folder)), results=tuple(_scored(found, scores)))
            for place, found in list(results.items())[:MOST_CASES]
        ]
    pictures = folder / "pictures"
    if (folder / "records").is_dir() and pictures.is_dir():
        return _of_bench(pictures)
    sources = _study(folder)
    if not sources:
        raise InputError(
            f"{one_line(folder)}: holds no image, no DICOM series and no result of trifuse; give image files, the "
            "folder of a study, or a folder that fuse, compare, cohort or bench wrote"
        )
    return [Case("", tuple(sources))]


def _study(folder: Path) -> list[Path]:
    """Images in a folder; where it holds DICOM, itself, once for all its series."""
    files = image_files(folder)
    plain = [path for path in files if not is_dicom(path)]
    every = [path for path in walked(folder) if is_dicom(path)][:1] if len(plain) < 2 else []
    if not every:
        every = [path for path in folder.iterdir() if path.is_file() and is_dicom(path)][:1]
    return [*plain, *([folder] if every else [])]


def _results_below(folder: Path) -> list[Result]:
    found: list[Result] = []
    for count, path in enumerate(walked(folder)):
        if count > MOST_FILES or len(found) >= MOST_CASES:
            break
        if path.suffix == ".json" and _is_image(path.with_suffix("")) and path.with_suffix("").exists():
            result = _result(path.with_suffix(""))
            if result.provenance:
                found.append(result)
    return found


def _result(path: Path) -> Result:
    end = next((s for s in formats.suffixes() if path.name.lower().endswith(s)), path.suffix)
    stem = path.name[: len(path.name) - len(end)]
    beside = [path.with_name(stem + UNCERTAINTY + other) for other in (end, ".png", ".nii.gz")]
    uncertain = next((each for each in beside if each.is_file()), None)
    return Result(path, provenance_of(path) or {}, uncertain)


def _grouped(results: Iterable[Result]) -> dict[Path, list[Result]]:
    found: dict[Path, list[Result]] = {}
    for result in results:
        found.setdefault(result.path.parent, []).append(result)
    return found


def _scores(folder: Path) -> dict[str, dict[str, float]]:
    """Method -> metric -> value, from the table that `compare` writes."""
    try:
        with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
            return {row["method"]: _numbers(row) for row in csv.DictReader(file) if row.get("method")}
    except (OSError, ValueError, csv.Error):
        return {}


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for name, text in row.items():
        try:
            found[name] = float(text)
        except (TypeError, ValueError):
            continue
    return found


def _scored(results: Sequence[Result], scores: Mapping[str, Mapping[str, float]]) -> list[Result]:
    return [
        Result(each.path, each.provenance, each.uncertainty, scores.get(str(each.provenance.get("method")), {}))
        for each in results
    ]


def _of_bench(pictures: Path) -> list[Case]:
    """Pictures of a benchmark, by case and scale, each in a folder: its sources, the truth and what each row made."""
    folders = sorted((path for path in pictures.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name))
    found = [Case(_bare(folder.name), tuple(image_files(folder))) for folder in folders]
    found = [case for case in found if case.sources]
    if not found:
        raise InputError(f"{one_line(pictures)}: the benchmark kept no pictures; it keeps those of 2D cases")
    return found[:MOST_CASES]


def _bare(name: str) -> str:
    """A case as people know it: without the hash of its file name."""
    return re.sub(r"-[0-9a-f]{8}(?=(-x\d+)?$)", "", name)


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    drawn = any(name.endswith(end) for end in DRAWINGS)
    return not name.startswith(".") and not drawn and any(name.endswith(end) for end in formats.suffixes())
