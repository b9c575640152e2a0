"""Public collections that recipes want and that may not be shipped: what is in them, who offers them, what one has.

The folder `known` beside this file holds names, sha256 and splits of their files, and the lists of cases that recipes
name; `scripts/list_data.py` makes it.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.files import digest, write_text
from trifuse.core.registry import hint

KNOWN = Path(__file__).with_name("known")


@dataclass(frozen=True)
class Collection:
    """A collection.

    Attributes:
        name: the folder in which recipes look for it, below that of all data.
        holds: what it shows.
        offered: by whom and where.
        licence: what its owners allow.
    """

    name: str
    holds: str
    offered: str
    licence: str


COLLECTIONS = (
    Collection(
        "aanlib2d",
        "Whole Brain Atlas: slices of CT, MR, PET and SPECT of 22 people, pairs and triplets",
        "https://www.med.harvard.edu/aanlib (K. A. Johnson, J. A. Becker); as files: the repositories of `--json`",
        "none stated; research, no redistribution",
    ),
    Collection(
        "lgg2d",
        "gliomas: T1, Gad, FLAIR and tumour masks of 91 people",
        "TCGA-LGG at The Cancer Imaging Archive; LGG Segmentation Dataset (Buda et al. 2019), whose RGB TIFFs hold one "
        "sequence a channel: three grey PNGs each here",
        "none stated in the source; research, cite Buda et al. 2019 and TCGA-LGG",
    ),
    Collection(
        "sts2d",
        "soft-tissue sarcomas: slices of CT, T1 and FDG PET with masks of 20 people",
        "doi:10.7937/K9/TCIA.2015.7GO2GSKS (Vallières et al. 2015), prepared by the IBSI; cut to PNG here",
        "CC BY 3.0",
    ),
    Collection(
        "volumes/sts",
        "soft-tissue sarcomas: volumes of CT, T1 and FDG PET with masks of 16 people",
        "doi:10.7937/K9/TCIA.2015.7GO2GSKS (Vallières et al. 2015), prepared by the IBSI",
        "CC BY 3.0",
    ),
    Collection(
        "mr4-2d",
        "T1, Gad, T2 and FLAIR slices of gliomas, metastases and multiple sclerosis",
        "BraTS by way of github.com/BrainLesion; doi:10.1007/s12021-017-9348-7 (Lesjak et al. 2017); cut to PNG here",
        "CC BY (Lesjak); others as BraTS says",
    ),
)
"""Those that recipes of the package name."""


@dataclass(frozen=True)
class File:
    """A file of a collection: its path below the folder of all data, who is shown, its split and sha256."""

    path: str
    patient: str
    split: str
    sha256: str
    repository: str
    original: str


@dataclass
class Found:
    """What a folder has of a collection, by path below the folder of all data.

    Attributes:
        whole: files that are there, byte for byte.
        renamed: files that are there under another name -> that name.
        changed: files of that name with other bytes.
        absent: files that are not there.
    """

    whole: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def get(name: str) -> Collection:
    """A collection by name.

    Raises:
        OptionError: if there is none of that name.
    """
    for each in COLLECTIONS:
        if each.name == name:
            return each
    names = [each.name for each in COLLECTIONS]
    raise OptionError(f"no collection is called {name!r}; {hint(name, names)}")


@cache
def _manifest() -> tuple[File, ...]:
    text = gzip.decompress((KNOWN / "manifest.csv.gz").read_bytes()).decode()
    return tuple(File(*row) for row in list(csv.reader(io.StringIO(text)))[1:])


def files(collection: Collection) -> list[File]:
    """Its files."""
    return [file for file in _manifest() if file.path.startswith(f"{collection.name}/")]


def recipes_of(collection: Collection, recipes: Mapping[str, Path]) -> list[str]:
    """Names of the recipes that look into it."""
    return [name for name, path in recipes.items() if f"{collection.name}" in path.read_text(encoding="utf-8")]


def splits(collection: Collection) -> Counter[str]:
    """Files per split: "train", "val", "test"."""
    return Counter(file.split for file in files(collection))


def check(collection: Collection, folder: Path) -> Found:
    """Compares a folder with the list: names first, then whether the bytes are there under other names.

    Args:
        collection: what it should hold.
        folder: of all data, in which the collection's own folder lies; or any folder, such as a clone of a repository.

    Raises:
        InputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{one_line(folder)}: there is no such folder; give the one that holds {collection.name}/")
    found, lost = Found(), []
    for file in files(collection):
        place = folder / file.path
        if not place.is_file():
            lost.append(file)
        elif digest(place) == file.sha256:
            found.whole.append(file.path)
        else:
            found.changed.append(file.path)
    elsewhere = _digests(folder, {Path(file.original or file.path).suffix.lower() for file in lost}) if lost else {}
    for file in lost:
        if file.sha256 in elsewhere:
            found.renamed[file.path] = elsewhere[file.sha256]
        else:
            found.absent.append(file.path)
    return found


def _digests(folder: Path, suffixes: set[str]) -> dict[str, str]:
    return {
        digest(path): path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes and path.is_file()
    }


def tables(collection: Collection) -> Iterator[tuple[str, str]]:
    """The lists of cases that recipes name: path below the folder of all data, and text."""
    with zipfile.ZipFile(KNOWN / "tables.zip") as archive:
        for name in archive.namelist():
            if name.startswith(f"{collection.name}/"):
                yield name, archive.read(name).decode()


def write_tables(collection: Collection, folder: Path) -> list[Path]:
    """Writes those lists that a folder of data lacks.

    Raises:
        InputError: if it cannot be written to.
    """
    return [write_text(folder / name, text) for name, text in tables(collection) if not (folder / name).exists()]


def tfs_diff_split() -> str:
    """Groups of three images of TFS-Diff's kinds in its proportions 84 : 10 : 25, as CSV.

    Its authors drew 119 groups of five kinds at random and published no list; 86 groups of four of the kinds are in
    aanlib2d (none of MR-T2/MR-Gad/PET), divided at random as theirs: slices of one person may be in two parts.
    """
    return (KNOWN / "tfs-diff.csv").read_text(encoding="utf-8")
