"""Cases that lie in folders: one folder for each study, or one for each modality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trifuse.cohort.case import Case
from trifuse.core.errors import InputError, one_line
from trifuse.core.files import natural_key
from trifuse.io import formats
from trifuse.prepare.studies import listed


def studies(
    folder: Path, wanted: Sequence[str] = (), *, keep_names: bool = False, series: Sequence[str] = ()
) -> list[Case]:
    """A case for each folder of a study; which images it has is told as in `trifuse prepare`.

    Raises:
        InputError: if there are none, or they do not share the names of two images.
    """
    found = listed(folder, wanted, keep_names=keep_names, series=series)
    return [Case(s.name, s.sources, error=s.error, chosen={name: s.choices(name) for name in s.sources}) for s in found]


def parallel(given: Sequence[Path]) -> list[Case]:
    """A case for each name that files (or DICOM folders) share across folders of one modality each.

    Names are compared without suffix, and without the folder's own name in them: `mr/p1_mr.nii` and `pet/p1_pet.nii`
    belong together.

    Raises:
        InputError: if one of them is no folder or empty, or no name is shared.
    """
    inside = [(folder.name.lower(), _stems(folder)) for folder in given]
    names = sorted({name for _, stems in inside for name in stems}, key=natural_key)
    found = []
    for name in names:
        missing = [label for label, stems in inside if name not in stems]
        if missing:
            found.append(Case(name, error=f"has no partner in {', '.join(missing)}; name the files alike"))
        else:
            found.append(Case(name, {label: stems[name] for label, stems in inside}))
    if all(case.error for case in found):
        listed_ = ", ".join(one_line(folder) for folder in given)
        raise InputError(f"{listed_}: no file has a partner of its name in the others; name the files of a case alike")
    return found


def _stems(folder: Path) -> dict[str, Path]:
    """What a folder holds, by name without suffix and without the folder's name."""
    if not folder.is_dir():
        raise InputError(f"{one_line(folder)}: is no folder; give folders of one modality each, or one list")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((end for end in formats.suffixes() if path.name.lower().endswith(end)), "")
        if path.name.startswith(".") or not (path.is_dir() or suffix):
            continue
        stem = path.name if path.is_dir() else path.name[: len(path.name) - len(suffix)]
        for end in (f"_{folder.name}", f"-{folder.name}"):
            stem = stem[: -len(end)] if stem.lower().endswith(end.lower()) else stem
        found[stem] = path
    if not found:
        raise InputError(f"{one_line(folder)}: holds no image")
    return found
