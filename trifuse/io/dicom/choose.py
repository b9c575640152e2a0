"""Which series of those that a path names: by number, UID, description or modality; a table of them where none is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.core.errors import ChoiceError, InputError, NothingToChooseError, one_line
from trifuse.io.dicom import kinds
from trifuse.io.dicom.frames import frame_count
from trifuse.io.request import Request

if TYPE_CHECKING:
    from trifuse.io.dicom.gather import Piece

_LONGEST = 40
"""Rows of a table; more help nobody."""


@dataclass(frozen=True)
class Series:
    """The images of one series.

    Attributes:
        uid: SeriesInstanceUID.
        modality: code, such as "PT".
        number: SeriesNumber; "" where there is none.
        description: SeriesDescription.
        pieces: its files.
        study: StudyInstanceUID.
    """

    uid: str
    modality: str
    number: str
    description: str
    pieces: tuple[Piece, ...]
    study: str = ""

    @property
    def is_scout(self) -> bool:
        """Whether all its images are localizers."""
        return all(kinds.is_scout(piece.dataset) for piece in self.pieces)

    def answers(self, word: str) -> bool:
        """Whether a word names it."""
        code = {"PET": "PT", "SPECT": "NM", "MRI": "MR"}.get(word.upper(), word.upper())
        return word in (self.number, self.uid) or code == self.modality or word.lower() == self.description.lower()


def grouped(pieces: Sequence[Piece]) -> list[Series]:
    """The series that images belong to, in the order of study and series number."""
    groups: dict[tuple[str, str], list[Piece]] = {}
    for piece in pieces:
        header = piece.dataset
        uid = str(header.get("SeriesInstanceUID") or "")
        groups.setdefault((str(header.get("StudyInstanceUID") or ""), uid), []).append(piece)
    found = []
    for (study, uid), members in groups.items():
        header = members[0].dataset
        number = header.get("SeriesNumber")
        found.append(
            Series(
                uid,
                one_line(str(header.get("Modality") or "?")),
                "" if number is None else str(number),
                one_line(str(header.get("SeriesDescription") or "")),
                tuple(members),
                study,
            )
        )
    return sorted(found, key=lambda s: (s.study, int(s.number) if s.number.lstrip("-").isdecimal() else 0))


def chosen(pieces: Sequence[Piece], request: Request) -> tuple[list[Piece], tuple[str, ...]]:
    """The images of the series that a request asks for, or of the only one.

    Localizers among the slices of a series are left out, with a note.

    Raises:
        ChoiceError: if there are several and none is chosen, or several answer.
        InputError: if the chosen one is not there.
    """
    series = grouped(pieces)
    word, _, instance = (request.series or "").partition("/")
    if request.series is not None:
        found = [one for one in series if one.answers(word)] or [one for one in series if one.answers(request.series)]
        if not found and len(series) == 1 and "series" in request.shared:
            raise NothingToChooseError(f"{request.origin}: holds {_brief(series)} alone", "series")
        if not found:
            raise ChoiceError(
                f"{request.origin}: has no series {one_line(word)}; it holds {_brief(series)}", table(series)
            )
    else:
        found = series
    if len(found) > 1:
        raise ChoiceError(
            f"{request.origin}: several DICOM series where one image is needed: {_brief(found)}; choose one with "
            f"--series {_typed(found[0], series)} (of source N: N:{_typed(found[0], series)}; series= in Python)",
            table(found, series),
        )
    members = list(found[0].pieces)
    notes: list[str] = []
    if len(series) > 1:
        notes.append(f"{found[0].modality} series {found[0].number or found[0].uid} of {len(series)}")
    if instance:
        members = [_instance(members, instance, request)]
        notes.append(f"file {instance} of {len(found[0].pieces)} in its series")
    slices = [piece for piece in members if not kinds.is_scout(piece.dataset)]
    if slices and len(slices) < len(members):
        notes.append(f"{len(members) - len(slices)} localizers left out")
        members = slices
    shown = [piece for piece in members if not kinds.is_capture(piece.dataset)]
    if shown and len(shown) < len(members):
        notes.append(f"{len(members) - len(shown)} pictures of a screen left out")
        members = shown
    return members, tuple(notes)


def several_objects(pieces: Sequence[Piece], what: str, request: Request) -> ChoiceError:
    """The error for files of a series that form no volume: each is to be chosen by itself."""
    one = grouped(pieces)[0]
    name = one.number or one.uid
    rows = [("type", "file", "frames", "image type")]
    for number, piece in enumerate(pieces[:_LONGEST], start=1):
        kind = "/".join(kinds.image_type(piece.dataset)[2:4])
        rows.append((f"--series {name}/{number}", piece.path.name, str(frame_count(piece.dataset)), kind))
    return ChoiceError(
        f"{request.origin}: {len(pieces)} DICOM images {what}; give the file of one, or choose it with --series "
        f"{name}/1 to {name}/{len(pieces)} (of source N: N:{name}/1; series= in Python)",
        aligned(rows, len(pieces)),
    )


def table(series: Sequence[Series], among: Sequence[Series] | None = None) -> str:
    """What there is, and what to type for each: one row for each series."""
    studies = list(dict.fromkeys(one.study for one in series))
    rows = [("type", "modality", "description", "images", "study")]
    for one in series[:_LONGEST]:
        frames = sum(frame_count(piece.dataset) for piece in one.pieces)
        count = f"{len(one.pieces)} files" + (f", {frames} frames" if frames > len(one.pieces) else "")
        told = one.description + (" (localizer)" if one.is_scout else "")
        typed = f"--series {_typed(one, among or series)}"
        rows.append((typed, one.modality, told, count, str(studies.index(one.study) + 1)))
    if len(studies) == 1:
        rows = [row[:-1] for row in rows]  # type: ignore[misc]
    return aligned(rows, len(series))


def aligned(rows: Sequence[Sequence[str]], count: int) -> str:
    """Rows of text in columns; says how many were left out."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *([f"... {count - _LONGEST} more"] if count > _LONGEST else [])])


def _instance(members: Sequence[Piece], text: str, request: Request) -> Piece:
    if not text.isdecimal() or not 1 <= int(text) <= len(members):
        raise InputError(
            f"{request.origin}: has no file {one_line(text)} in that series; count from 1 to {len(members)}"
        )
    return members[int(text) - 1]


def _typed(one: Series, among: Sequence[Series]) -> str:
    """The shortest word that names it alone."""
    counts = Counter(other.number for other in among)
    return one.number if one.number and counts[one.number] == 1 else one.uid


def _brief(series: Sequence[Series]) -> str:
    listed = [f"{one.modality} series {one.number or '?'} ({len(one.pieces)} files)" for one in series]
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
