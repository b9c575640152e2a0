"""What lies in the folder of a study as it was exported: NIfTI files and DICOM series, at any depth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Modality, guess_modality
from trifuse.io.guard import quiet
from trifuse.io.many import per_source
from trifuse.io.sniff import is_dicom, walked

if TYPE_CHECKING:
    from trifuse.io.dicom.choose import Series

_MR = (Modality.T1, Modality.T2, Modality.FLAIR, Modality.PD, Modality.GAD)
_ORDER = (*_MR, Modality.CT, Modality.US, Modality.PET, Modality.SPECT, Modality.OTHER)
"""Structure before function: the first image of a study is its reference."""

_NO_IMAGE = {"mask", "seg", "label", "labels", "roi"}


@dataclass(frozen=True)
class Candidate:
    """An image in a study's folder.

    Attributes:
        path: NIfTI file, folder with DICOM series, or multi-frame DICOM file.
        name: file or folder name without suffix, lower case; of one series of several in a folder, its description.
        modality: by name, else by the DICOM header.
        mr: whether magnetic resonance made it, of whatever contrast.
        series: UID of the series, where the folder holds several.
        held: the series.
    """

    path: Path
    name: str
    modality: Modality
    mr: bool
    series: str = ""
    held: Series | None = None

    def answers(self, wanted: str) -> bool:
        """Whether it is of the modality that a word means: `t1`, `pet`, `mr` for any magnetic resonance."""
        if _NO_IMAGE & set(re.split(r"[^a-z]+", self.name)):
            return False
        if wanted in ("mr", "mri"):
            return self.mr
        meant = guess_modality(Path(wanted))
        return meant is not Modality.OTHER and self.modality is meant


def candidates(folder: Path) -> list[Candidate]:
    """The images in a study's folder, at any depth, links followed, sorted by path."""
    found: list[Candidate] = []
    inside: dict[Path, list[Path]] = {}
    for path in walked(folder):
        inside.setdefault(path.parent, []).append(path)
    for where, files in sorted(inside.items()):
        nifti = [path for path in files if path.name.lower().endswith((".nii", ".nii.gz"))]
        found += [_nifti(path) for path in nifti]
        found += _dicom(where, [path for path in files if path not in nifti and is_dicom(path)])
    return found


def common(folders: Sequence[Path], path: Path) -> list[str]:
    """Names that every study's folder has one image of, structure before function.

    Raises:
        InputError: if there are fewer than two.
    """
    shared: set[str] | None = None
    kinds: dict[str, Modality] = {}
    for folder in folders:
        inside = [c for c in candidates(folder) if not _NO_IMAGE & set(re.split(r"[^a-z]+", c.name))]
        kinds |= {candidate.name: candidate.modality for candidate in inside}
        names = {candidate.name for candidate in inside}
        shared = names if shared is None else shared & names
    if not shared or len(shared) < 2:
        raise InputError(
            f"{one_line(path)}: its studies do not share the names of two images; say which to take, the reference "
            "first: --source t1 --source pet (file or folder names, or modalities)"
        )
    return sorted(shared, key=lambda name: (_ORDER.index(kinds[name]), name))


def chosen(folder: Path, wanted: Sequence[str], series: Sequence[str] = ()) -> dict[str, Candidate]:
    """The image of each name: the one whose file or folder is so called, else the only one of that modality.

    Args:
        folder: of the study.
        wanted: names.
        series: which DICOM series is meant, of which name: "pet:5", "2:PT" (see `Settings.series`).

    Raises:
        InputError: if there is none, or several.
    """
    inside, words = candidates(folder), [name.lower() for name in wanted]
    picked = per_source(series, len(words), "--series", words)
    found = {}
    for number, word in enumerate(words, start=1):
        hits = [c for c in inside if c.name == word] or [c for c in inside if c.answers(word)]
        if number in picked.own:
            hits = [c for c in inside if c.held is not None and c.held.answers(picked.own[number])]
        if len(hits) != 1:
            raise _unclear(folder, word, number, hits, inside)
        found[word] = hits[0]
    return found


def _unclear(
    folder: Path, word: str, number: int, hits: Sequence[Candidate], inside: Sequence[Candidate]
) -> InputError:
    """Why a name means no image, or several."""
    listed = ", ".join(_shown(candidate, folder) for candidate in (hits or inside)[:6])
    what = f"{len(hits)} images are {word}" if hits else f"no image is {word}"
    way = (
        f"choose one with --series {number}:NUMBER, or list the study in a table"
        if any(candidate.held for candidate in hits)
        else "list the study in a table"
    )
    return InputError(f"{what}; there {'are' if hits else 'is'}: {listed or 'nothing'}; {way}")


def _shown(candidate: Candidate, folder: Path) -> str:
    path = one_line(candidate.path.relative_to(folder))
    if candidate.held is None or not candidate.series:
        return path
    held = candidate.held
    return f"{path if path != '.' else ''} {held.modality} series {held.number or held.uid}".strip()


def _nifti(path: Path) -> Candidate:
    name = re.sub(r"\.nii(\.gz)?$", "", path.name.lower())
    modality = guess_modality(Path(name))
    return Candidate(path, name, modality, modality in _MR or bool({"mr", "mri"} & set(re.split(r"[^a-z]+", name))))


def _dicom(folder: Path, files: Sequence[Path]) -> list[Candidate]:
    """The series in a folder, localizers aside; each file of a series by itself, where they are multi-frame."""
    from trifuse.io.dicom.choose import grouped
    from trifuse.io.dicom.gather import header_of

    pieces = [piece for file in files for piece in header_of(file)]
    listed = [one for one in grouped(pieces) if not one.is_scout] or grouped(pieces)
    found = []
    for one in listed:
        several = [p for p in one.pieces if int(p.dataset.get("NumberOfFrames") or 1) > 1]
        if several and not one.pieces[0].dataset.get("ConcatenationUID"):
            found += [Candidate(p.path, p.path.stem.lower(), *_made_by(one, p.path.stem), held=one) for p in several]
            continue
        name = folder.name if len(listed) == 1 else one.description or f"{one.modality} {one.number}"
        uid = one.uid if len(listed) > 1 or len(one.pieces) < len(pieces) else ""
        found.append(Candidate(folder, name.lower(), *_made_by(one, name), series=uid, held=one))
    return found


def _made_by(one: Series, name: str) -> tuple[Modality, bool]:
    """Modality by the header, and whether it is a magnetic resonance."""
    from trifuse.io.dicom.header import frame_header, modality
    from trifuse.io.request import Request

    with quiet():
        made_by = modality(frame_header(one.pieces[0].dataset, 0), Request(origin="", path=Path(name)))
    return made_by, one.modality == "MR"
