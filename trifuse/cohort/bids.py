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

IGNORE = ".bidsignore"

OURS = ("cohort.csv", "index.html", "records", "records/**", "**/*.nii.gz.json", "**/*-sheet.png", "**/*-uncertainty*")
"""What BIDS has no names for: the table and page of the cohort, records, provenance, sheets."""

README = """Images fused by trifuse. Each has its provenance beside it (IMAGE.json); index.html shows all of them,
cohort.csv lists them, records/ holds what a later run needs to know.
"""

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
    """Writes what makes a folder of results a BIDS derivative: its description, and which files are ours alone."""
    content = {
        "Name": "trifuse: fused images",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "License": "inherited from the source data set",
        "GeneratedBy": [{"Name": "trifuse", "Version": __version__}],
        "SourceDatasets": [{"URL": f"file://{source.resolve()}"}],
    }
    write_text(folder / IGNORE, "\n".join(OURS) + "\n")
    write_text(folder / "README", README)
    return write_text(folder / DESCRIPTION, json.dumps(content, indent=2) + "\n")


def sidecar(fused: Path, sources: Iterable[Path], method: str) -> Path:
    """Writes the JSON file that BIDS wants beside a derived image; the whole provenance is in IMAGE.json."""
    paths = list(sources)
    content = {
        "Description": f"images of one participant fused by trifuse {__version__}, method {method}",
        "Sources": [f"bids::{_inside(path)}" for path in paths],
        "SkullStripped": any(_of_sidecar(path).get("SkullStripped") is True for path in paths),
    }
    stem = fused.name.removesuffix(".gz").removesuffix(".nii")
    return write_text(fused.with_name(f"{stem}.json"), json.dumps(content, indent=2) + "\n")


def _of_sidecar(image: Path) -> dict[str, object]:
    """What the JSON file beside a source says; nothing if there is none."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    try:
        content = json.loads(image.with_name(f"{stem}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _inside(path: Path) -> str:
    """A path from the root of its data set on."""
    at = next((index for index, part in enumerate(path.parts) if part.startswith("sub-")), -1)
    return "/".join(path.parts[at:])


def _case(root: Path, folder: Path, wanted: Sequence[str]) -> Case:
    labels = folder.relative_to(root).parts
    name = "_".join(labels)
    images = _images(folder)
    names = [word.lower() for word in wanted] or [word for word in ORDER if word in images]
    missing = [word for word in names if word not in images]
    several = [word for word in names if len(images.get(word, ())) > 1]
    if missing:
        return Case(name, error=f"has no {', '.join(missing)}; it has {', '.join(images) or 'no images'}")
    if several:
        files = ", ".join(path.name for path in images[several[0]][:3])
        return Case(name, error=f"has several {several[0]} ({files}); give a table with one for each case")
    if len(names) < 2:
        return Case(name, error=f"has fewer than two images ({', '.join(names) or 'none'})")
    sources = {word: images[word][0] for word in names}
    return Case(name, sources, place=_place(sources[names[0]], folder, labels))


def _place(reference: Path, folder: Path, labels: Sequence[str]) -> str:
    """The reference's own name with `desc-fused`, in a folder of its own kind (anat, pet)."""
    matched = NAME.match(reference.name)
    assert matched is not None
    kind = reference.parent.name if reference.parent != folder else "anat"
    return f"{'/'.join(labels)}/{kind}/{matched['entities']}desc-fused_{matched['suffix']}"


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
