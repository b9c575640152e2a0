"""What lies in the folder of a study as it was exported: NIfTI files and DICOM series, at any depth."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Modality, guess_modality
from trifuse.io.guard import quiet
from trifuse.io.sniff import is_dicom

_MR = (Modality.T1, Modality.T2, Modality.FLAIR, Modality.PD, Modality.GAD)
_ORDER = (*_MR, Modality.CT, Modality.US, Modality.PET, Modality.SPECT, Modality.OTHER)
"""Structure before function: the first image of a study is its reference."""

_NO_IMAGE = {"mask", "seg", "label", "labels", "roi"}


@dataclass(frozen=True)
class Candidate:
    """An image in a study's folder.

    Attributes:
        path: NIfTI file, folder of one DICOM series, or multi-frame DICOM file.
        name: file or folder name without suffix, lower case.
        modality: by name, else by the DICOM header.
        mr: whether magnetic resonance made it, of whatever contrast.
    """

    path: Path
    name: str
    modality: Modality
    mr: bool

    def answers(self, wanted: str) -> bool:
        """Whether it is of the modality that a word means: `t1`, `pet`, `mr` for any magnetic resonance."""
        if _NO_IMAGE & set(re.split(r"[^a-z]+", self.name)):
            return False
        if wanted in ("mr", "mri"):
            return self.mr
        meant = guess_modality(Path(wanted))
        return meant is not Modality.OTHER and self.modality is meant


def candidates(folder: Path) -> list[Candidate]:
    """The images in a study's folder, sorted by path."""
    found = []
    for where, _, names in sorted(os.walk(folder)):
        files = [Path(where) / name for name in sorted(names) if not name.startswith(".")]
        nifti = [path for path in files if path.name.lower().endswith((".nii", ".nii.gz"))]
        found += [_nifti(path) for path in nifti]
        dicom = next((path for path in files if path not in nifti and is_dicom(path)), None)
        if dicom is not None:
            found += _dicom(Path(where), dicom, files)
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


def chosen(folder: Path, wanted: Sequence[str]) -> dict[str, Path]:
    """The image of each name: the one whose file or folder is so called, else the only one of that modality.

    Raises:
        InputError: if there is none, or several.
    """
    inside = candidates(folder)
    found = {}
    for name in wanted:
        word = name.lower()
        hits = [c for c in inside if c.name == word] or [c for c in inside if c.answers(word)]
        if len(hits) != 1:
            listed = ", ".join(one_line(c.path.relative_to(folder)) for c in (hits or inside)[:6])
            what = f"{len(hits)} images are {name}" if hits else f"no image is {name}"
            raise InputError(
                f"{what}; there {'are' if hits else 'is'}: {listed or 'nothing'}; list the study in a table"
            )
        found[word] = hits[0].path
    return found


def _nifti(path: Path) -> Candidate:
    name = re.sub(r"\.nii(\.gz)?$", "", path.name.lower())
    modality = guess_modality(Path(name))
    return Candidate(path, name, modality, modality in _MR or bool({"mr", "mri"} & set(re.split(r"[^a-z]+", name))))


def _dicom(folder: Path, first: Path, files: Sequence[Path]) -> list[Candidate]:
    """The folder as a series; or each file, where they are multi-frame."""
    from pydicom import dcmread

    from trifuse.io.dicom.header import frame_header, modality
    from trifuse.io.request import Request

    def candidate(path: Path, file: Path, name: str) -> Candidate:
        with quiet():
            header = dcmread(file, force=True, stop_before_pixels=True)
            made_by = modality(frame_header(header, 0), Request(origin="", path=Path(name)))
        return Candidate(path, name.lower(), made_by, header.get("Modality") == "MR")

    with quiet():
        several = int(dcmread(first, force=True, stop_before_pixels=True).get("NumberOfFrames") or 1) > 1
    if several:
        return [candidate(file, file, file.stem) for file in files if is_dicom(file)]
    return [candidate(folder, first, folder.name)]
