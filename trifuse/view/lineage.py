"""The sources of a result, found by the digests that its provenance keeps of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifuse import io
from trifuse.core.errors import InputError, TrifuseError
from trifuse.io.sniff import is_dicom
from trifuse.view.opening import image_files

MOST = 60
"""Files that are read in search of sources."""


def sources_of(provenance: Mapping[str, Any], result: Path, also: Iterable[Path] = ()) -> tuple[list[Path], list[str]]:
    """Files whose values are those that a result was made of.

    Args:
        provenance: of the result.
        result: where it lies; its folder, the folders above and beside it are searched, nearest first.
        also: further folders.

    Returns:
        The files found, in the order of the sources, and a line for each source that was not.
    """
    wanted = _wanted(provenance)
    found: dict[int, Path] = {}
    for path in _nearby(result, also):
        if len(found) == len(wanted):
            break
        digest = _digest(path)
        for index, known in enumerate(wanted):
            if index not in found and digest is not None and digest == known.get("sha256"):
                found[index] = path
    missing = [
        f"source {index + 1} ({known.get('modality', '?')}, {' x '.join(map(str, known.get('size', [])))}) was not "
        "found near the result; add it to compare with it"
        for index, known in enumerate(wanted)
        if index not in found
    ]
    return [found[index] for index in sorted(found)], missing


def _wanted(provenance: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    listed = provenance.get("sources")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _nearby(result: Path, also: Iterable[Path]) -> list[Path]:
    """Images near a result, the nearest folders first; not the result itself, nor what lies beside it as made."""
    here = result.absolute().parent
    above = [here.parent, here.parent.parent]
    beside = [path for folder in above[:1] for path in _folders(folder)]
    seen: dict[Path, None] = {}
    for folder in [*also, here, *above, *beside]:
        for path in _images(folder):
            if path.with_name(path.name + ".json").exists() or path == result.absolute():
                continue
            seen.setdefault(path)
    return list(seen)[:MOST]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))[:20]
    except OSError:
        return []


def _images(folder: Path) -> list[Path]:
    try:
        files = [path for path in image_files(folder) if not is_dicom(path)]
        series = [folder] if any(is_dicom(path) for path in folder.iterdir() if path.is_file()) else []
        return [*files, *series]
    except (InputError, OSError):
        return []


def _digest(path: Path) -> str | None:
    """As `trifuse.fuse` takes it: of the native values."""
    try:
        image = io.read(path)
    except TrifuseError:
        return None
    return hashlib.sha256(np.ascontiguousarray(image.native()).tobytes()).hexdigest()
