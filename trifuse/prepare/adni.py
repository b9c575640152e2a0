"""Studies out of an ADNI download, chosen by a list of image numbers as papers publish them (DC2Fusion's ImageID.csv).

ADNI unpacks to SUBJECT/DESCRIPTION/DATE/IMAGE with IMAGE = I and the number; the numbers come from its advanced search.
A list may be any CSV: numbers with or without the I, in one column or several, with other columns beside them.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from trifuse.core.errors import InputError, one_line
from trifuse.core.files import natural_key, read_text
from trifuse.prepare.exports import Candidate, candidates
from trifuse.prepare.studies import Study, plain

NUMBER = re.compile(r"I?(\d{3,8})", re.IGNORECASE)
FOLDER = re.compile(r"I(\d{3,8})")
SUBJECT = re.compile(r"\d{3}_S_\d{4,5}")
HEADINGS = ("image data id", "image id", "imageid", "image_id")
DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True)
class Picture:
    """An image of the download.

    Attributes:
        number: ADNI's.
        subject: ADNI's code of the person.
        day: of the scan, None if no folder says.
        image: what it is.
    """

    number: str
    subject: str
    day: date | None
    image: Candidate


def studies(
    folder: Path, numbers: Path, wanted: Sequence[str] = ("mr", "pet"), *, keep_names: bool = False
) -> list[Study]:
    """One study for every row of the list that names images of several kinds; else, of every image of the last kind
    and the image of each other kind of the same person nearest in time.

    Args:
        folder: where the download was unpacked.
        numbers: the list.
        wanted: kinds of images, the reference first.
        keep_names: whether studies are called by ADNI's codes; study-001, study-002 ... otherwise.

    Raises:
        InputError: if the list cannot be read or names no image number, or none of them is in the folder. A study that
            lacks an image says so itself.
    """
    rows = listed_numbers(numbers)
    held = _pictures(folder, {number for row in rows for number in row})
    if not held:
        raise InputError(
            f"{one_line(folder)}: holds none of the {sum(map(len, rows))} images that {one_line(numbers)} lists; "
            "images lie in folders called I and their number"
        )
    groups = [[held[n] for n in row if n in held] for row in rows if len(row) > 1]
    absent = sorted({n for row in rows for n in row} - set(held), key=natural_key)
    groups += _matched([held[row[0]] for row in rows if len(row) == 1 and row[0] in held], wanted)
    groups = [group for group in groups if group]
    groups.sort(key=lambda group: (natural_key(group[0].subject), group[0].day or date.min))
    found = [_study(group, wanted, number, keep_names) for number, group in enumerate(groups, start=1)]
    if not absent:
        return found
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    return [*found, Study("not-downloaded", error=f"image I{absent[0]}{more} of the list: not in the folder")]


def listed_numbers(path: Path) -> list[list[str]]:
    """The image numbers of each row of a list; in a table with the heading of ADNI's search, of that column alone.

    Raises:
        InputError: if it cannot be read or has none.
    """
    rows = list(csv.reader(read_text(path, "the list of image numbers").splitlines()))
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((k for k, cell in enumerate(head) if cell in HEADINGS), None)
    cells = [row if column is None else row[column : column + 1] for row in rows]
    found = [[hit[1] for cell in row if (hit := NUMBER.fullmatch(cell.strip()))] for row in cells]
    if not any(found):
        raise InputError(f"{one_line(path)}: names no image number, such as 235424 or I235424; give one a line")
    return [row for row in found if row]


def _pictures(folder: Path, numbers: set[str]) -> dict[str, Picture]:
    """The images of the download that are asked for, by number."""
    if not folder.is_dir():
        raise InputError(f"{one_line(folder)}: there is no such folder; give the one that the download was unpacked to")
    found: dict[str, Picture] = {}
    for place, folders, _ in os.walk(folder, followlinks=True):
        folders.sort()
        for name in folders:
            hit = FOLDER.fullmatch(name)
            if hit and hit[1] in numbers and hit[1] not in found:
                inside = candidates(Path(place, name))
                if inside:
                    found[hit[1]] = _picture(Path(place, name), hit[1], inside[0])
    return found


def _picture(path: Path, number: str, image: Candidate) -> Picture:
    text = path.as_posix()
    subject, day = SUBJECT.findall(text), DAY.findall(text)
    when = date(*map(int, day[-1])) if day else None
    return Picture(number, subject[-1] if subject else path.parent.name, when, image)


def _matched(pictures: Sequence[Picture], wanted: Sequence[str]) -> list[list[Picture]]:
    """Groups of images that were listed one by one: each of the last kind, with the nearest of the others."""
    kinds = [[p for p in pictures if p.image.answers(word)] for word in wanted]
    groups = []
    for last in kinds[-1]:
        group = [last]
        for kind in kinds[:-1]:
            same = [p for p in kind if p.subject == last.subject]
            group += sorted(same, key=lambda p: (_days(p, last), p.number))[:1]
        groups.append(group)
    return groups


def _days(one: Picture, other: Picture) -> int:
    return abs((one.day - other.day).days) if one.day and other.day else 10**6


def _study(group: Sequence[Picture], wanted: Sequence[str], number: int, keep_names: bool) -> Study:
    subject = group[0].subject
    name = plain(f"{subject}-{group[0].number}") if keep_names else f"study-{number:03d}"
    sources, series = {}, {}
    for word in wanted:
        hits = [p for p in group if p.image.answers(word)]
        if len(hits) != 1:
            error = f"{len(hits)} of its images are {word}: {', '.join('I' + p.number for p in group)}"
            return Study(name, patient=subject, error=error, coded=not keep_names)
        sources[word] = hits[0].image.path
        if hits[0].image.series:
            series[word] = hits[0].image.series
    return Study(name, sources, series, patient=subject, coded=not keep_names)
