"""The manifest of a prepared data set: one row per study, as `trifuse train` and `trifuse bench` read tables."""

from __future__ import annotations

import csv
import hashlib
import io as streams
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trifuse.core.cells import csv_cell
from trifuse.core.errors import InputError
from trifuse.core.files import write_text
from trifuse.prepare.studies import Study

SPLITS = ("train", "val", "test")

COLUMNS = ("case", "patient", "split", "kind", "functional")
"""What tables of cases begin with; the paths follow, then how well the sources fit."""

FITS = ("register", "overlap", "information", "moved_mm")


def check(studies: Sequence[Study]) -> None:
    """Raises an InputError if a study names a split that does not exist, or a patient is in two."""
    of_patient: dict[str, str] = {}
    for study in studies:
        if study.split and study.split not in SPLITS:
            raise InputError(f"study {study.name}: split {study.split!r} is not known; choose {', '.join(SPLITS)}")
        if study.split and of_patient.setdefault(study.patient, study.split) != study.split:
            raise InputError(f"patient of study {study.name} is in two splits; keep all studies of a patient in one")


def rows(good: Sequence[tuple[Study, Mapping[str, Any]]], val: float, test: float) -> list[dict[str, str]]:
    """The rows of studies and their records, in order."""
    splits = drawn([study for study, _ in good], val, test)
    made = []
    for study, record in good:
        row = {
            "case": study.name,
            "patient": study.shown_patient,
            "split": splits[study.patient],
            "kind": record["kind"],
            "functional": "yes" if record["functional"] else "no",
        }
        row |= {f"path_{number}": source["path"] for number, source in enumerate(record["sources"], start=1)}
        information = ["" if value is None else f"{value:.3f}" for value in record["information"]]
        row |= {
            "register": record["register"],
            "overlap": f"{record['overlap']:.3f}",
            "information": "/".join(information),
        }
        made.append(row | {"moved_mm": f"{record['moved_mm']:.2f}"})
    return made


def drawn(studies: Sequence[Study], val: float, test: float) -> dict[str, str]:
    """Patient -> split: the one that the list names, else by lot.

    The lot is a digest of the patient's name, so that it is the same in every run. Shares are rounded, and at least one
    patient is held out where a share is positive and there are three or more to draw from.
    """
    named = {study.patient: study.split for study in studies if study.split}
    others = {study.patient for study in studies} - set(named)
    order = sorted(others, key=lambda patient: hashlib.sha256(patient.encode()).hexdigest())
    least = 1 if len(order) > 2 else 0
    counts = [max(least, round(share * len(order))) if share > 0 else 0 for share in (val, test)]
    lots = ["val"] * counts[0] + ["test"] * counts[1]
    return {patient: (lots[at] if at < len(lots) else "train") for at, patient in enumerate(order)} | named


def write(path: Path, rows: Sequence[Mapping[str, str]], sources: int) -> Path:
    """Writes the table, paths relative to its folder."""
    text = streams.StringIO()
    columns = [*COLUMNS, *(f"path_{number + 1}" for number in range(sources)), *FITS]
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return write_text(path, text.getvalue())
