"""BIDS data sets: which images a participant has, and derivatives that describe themselves.

Source: K. J. Gorgolewski et al., The brain imaging data structure, Sci. Data 3:160044, 2016; specification 1.9, which
names files `sub-LABEL[_ses-LABEL][_entity-value...]_suffix.nii[.gz]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trifuse.cohort.case import Case
from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.files import natural_key, write_text
from trifuse.core.version import __version__

DESCRIPTION = "dataset_description.json"

SUFFIXES = {"T1w": "t1", "T2w": "t2", "PDw": "pd", "FLAIR": "flair", "pet": "pet", "ct": "ct", "spect": "spect"}
"""Suffixes of images that are fused -> how sources are called."""

ORDER = ("t1", "t2", "gad", "flair", "pd", "ct", "pet", "spect")
"""Structure before function; the first that there is gives the grid."""

NAME = re.compile(r"^(?P<entities>(?:[A-Za-z0-9]+-[A-Za-z0-9+]+_)+)(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?$")


def is_dataset(path: Path) -> bool:
    """Whether a folder is the root of a BIDS data set."""
    return (path / DESCRIPTION).is_file()


def cases(root: Path, wanted: Sequence[str], participants: Sequence[str], sessions: Sequence[str]) -> list[Case]:
    """A case for each session of each participant, those of `wanted` sources (t1, pet, ...) or all that there are.

    An image with the entity `ce` is a T1 with contrast agent (`gad`). Where an image was made several times (runs,
    acquisitions), the case says so instead of choosing one.

    Raises:
        OptionError: if a label names nobody.
    """
    everybody = sorted((p for p in root.glob("sub-*") if p.is_dir()), key=lambda p: natural_key(p.name))
    chosen = _labelled(everybody, "sub-", participants, root)
    found = []
    for participant in chosen:
        visits = sorted((p for p in participant.glob("ses-*") if p.is_dir()), key=lambda p: natural_key(p.name))
        asked = _bare(sessions, "ses-")
        kept = [visit for visit in visits if not asked or visit.name.removeprefix("ses-") in asked]
        whole = [] if visits or asked else [participant]
        found += [_case(root, folder, wanted) for folder in (*kept, *whole)]
    if sessions and not found:
        raise OptionError(f"{one_line(root)}: no participant has a session {', '.join(sessions)}")
    return found


def describe(folder: Path, source: Path) -> Path:
    """Writes the description that makes a folder of results a BIDS derivative."""
    content = {
        "Name": "trifuse: fused images",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "License": "inherited from the source data set",
        "GeneratedBy": [{"Name": "trifuse", "Version": __version__}],
        "SourceDatasets": [{"URL": f"file://{source.resolve()}"}],
    }
    return write_text(folder / DESCRIPTION, json.dumps(content, indent=2) + "\n")


def _case(root: Path, folder: Path, wanted: Sequence[str]) -> Case:
    labels = folder.relative_to(root).parts
    name = "_".join(labels)
    images = _images(folder)
    names = [word.lower() for word in wanted] or [word for word in ORDER if word in images]
    place = f"{'/'.join(labels)}/anat/{name}_desc-fused"
    missing = [word for word in names if word not in images]
    several = [word for word in names if len(images.get(word, ())) > 1]
    if missing:
        return Case(name, place=place, error=f"has no {', '.join(missing)}; it has {', '.join(images) or 'no images'}")
    if several:
        files = ", ".join(path.name for path in images[several[0]][:3])
        return Case(name, place=place, error=f"has several {several[0]} ({files}); give a table with one for each case")
    if len(names) < 2:
        return Case(name, place=place, error=f"has fewer than two images ({', '.join(names) or 'none'})")
    return Case(name, {word: images[word][0] for word in names}, place=place)


def _images(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.nii*")):
        matched = NAME.match(path.name)
        if matched is None or matched["suffix"] not in SUFFIXES:
            continue
        word = SUFFIXES[matched["suffix"]]
        enhanced = word == "t1" and re.search(r"(?:^|_)ce-", matched["entities"]) is not None
        found.setdefault("gad" if enhanced else word, []).append(path)
    return found


def _labelled(found: Sequence[Path], prefix: str, labels: Iterable[str], root: Path) -> list[Path]:
    wanted = _bare(labels, prefix)
    known = {path.name.removeprefix(prefix) for path in found}
    unknown = [label for label in wanted if label not in known]
    if unknown:
        raise OptionError(
            f"{one_line(root)}: no participant {', '.join(unknown)}; there are {len(known)}, e.g. "
            f"{', '.join(sorted(known)[:4])}"
        )
    if not found:
        raise InputError(f"{one_line(root)}: a BIDS data set without participants (folders sub-LABEL)")
    return [path for path in found if not wanted or path.name.removeprefix(prefix) in wanted]


def _bare(labels: Iterable[str], prefix: str) -> list[str]:
    return [label.removeprefix(prefix) for label in labels]
