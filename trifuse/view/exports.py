"""What the page saves: a result in another format, and the command line that makes the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.view.entries import Entry
from trifuse.view.reading import read_image

SUFFIXES = {"nii.gz": "application/gzip", "png": "image/png", "tif": "image/tiff", "dcm": "application/dicom"}
"""Formats that images are saved in, and their media types."""


def saved(entry: Entry, suffix: str, folder: Path) -> Path:
    """An image of the session as a file in a format; as it was made where that is the format.

    DICOM is written without a patient; nothing of names, IDs or dates goes into any of them.

    Raises:
        InputError: if the format is not offered or cannot hold the image.
    """
    if suffix not in SUFFIXES:
        raise InputError(f"images are saved as {', '.join(SUFFIXES)}")
    if entry.provenance is not None and entry.path.name.lower().endswith(f".{suffix}"):
        return entry.path
    target = folder / f"{entry.key}.{suffix}"
    if target.exists():
        return target
    image = read_image(entry)
    return io.write(image, target, bits=io.most_bits(target) if suffix != "tif" and image.dims == 2 else None)


def nifti(entry: Entry, folder: Path) -> Path:
    """An image as plain NIfTI, for NiiVue."""
    target = folder / f"{entry.key}.nii"
    if not target.exists():
        io.write(read_image(entry), target)
    return target


def command(sources: Sequence[Entry], method: str, settings: Mapping[str, Any], uploaded: Path) -> str:
    """The `trifuse fuse` that does what the page did.

    Args:
        sources: the reference first.
        settings: fields of `Run` that are not at their defaults.
        uploaded: folder of uploads, whose files are named as their owner knows them.
    """
    places = [entry.name if uploaded in entry.path.parents else str(entry.path) for entry in sources]
    dims = len(sources[0].known["space"])
    words = ["trifuse", "fuse", *places, "-o", "fused.nii.gz" if dims == 3 else "fused.png", "-m", method]
    words += _flags(settings)
    words += [w for n, e in enumerate(sources, start=1) if "series" in e.chosen for w in _series(n, e)]
    if any(entry.suv for entry in sources):
        words += ["--units", "suv"]
    return shlex.join(words)


def _series(number: int, entry: Entry) -> list[str]:
    return ["--series", f"{number}:{entry.chosen['series']}"]


def _flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings of a run as options of the command line."""
    from trifuse.fusion.settings import SETTINGS

    words: list[str] = []
    for name, value in settings.items():
        known = SETTINGS[name]
        flag = known.flags[0] if known.flags else f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif name == "options":
            words += [word for key, own in value.items() for word in (flag, f"{key}={own}")]
        elif name == "window":
            words += [word for own in value for word in (flag, own)]
        else:
            words += [flag, str(value + 1 if known.from_one else value)]
    return words
