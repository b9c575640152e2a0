"""Pairs of a header `.hdr` and values `.img`: NIfTI pairs, SPM's and Analyze 7.5's, through nibabel.

Either file may be named; packed pairs (`.hdr.gz`, `.img.gz`) are read too. Analyze does not say where left is: SPM's
convention, first voxel at the patient's right, is taken, with a note.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from trifuse.core.errors import InputError
from trifuse.core.image import Image
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.nifti import drained, from_nibabel
from trifuse.io.request import Request
from trifuse.io.sniff import Head, head_of, is_gzip

_LENGTH = 348
"""Of the header, which begins with it."""

_TWINS = {".hdr": ".img", ".img": ".hdr"}


def read(request: Request) -> Image:
    """Volume or slice of a pair, whichever of its files is named; 4D needs `frame`.

    Raises:
        InputError: if a file is missing, damaged or truncated, or it holds several volumes and none is chosen.
    """
    import nibabel as nib

    header, values = _both(request.path)
    missing = next((path for path in (header, values) if path is None or not path.is_file()), None)
    if header is None or values is None or missing is not None:
        raise InputError(f"{request.origin}: is half of a pair; its other half (.hdr or .img) is not beside it")
    start = head_of(header, request.origin).start
    placed = (
        header.with_suffix(".mat") if header.suffix.lower() != ".gz" else header.with_suffix("").with_suffix(".mat")
    )
    kind = nib.Nifti2Pair if start[4:8] == b"ni2\0" else nib.Nifti1Pair if _is_nifti(start) else nib.Spm2AnalyzeImage
    with guarded(request.origin, "pair of .hdr and .img"), _opened(header) as first, _opened(values) as second:
        files = {"header": nib.FileHolder(fileobj=first), "image": nib.FileHolder(fileobj=second)}
        files["mat"] = nib.FileHolder(filename=str(placed))  # SPM keeps the place there
        loaded = kind.from_file_map(files, mmap=False)
        _check_length(loaded, values, request)
        image = from_nibabel(loaded, request)
        drained(second, request)
    if _is_nifti(start) or placed.is_file():
        return image
    return image.noted("Analyze says nothing of sides: first voxel taken as the right")


def _opened(path: Path):  # type: ignore[no-untyped-def]
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def _both(path: Path) -> tuple[Path | None, Path | None]:
    """Header and values of the pair that a file is half of, None for one that is not there."""
    name = path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name
    stem, end = name[:-4], name[-4:].lower()
    found = {end: path}
    other = _TWINS.get(end, "")
    spellings = [other, other.upper()] if other else []
    twins = (path.with_name(stem + spelling + packed) for spelling in spellings for packed in ("", ".gz"))
    found[other] = next((twin for twin in twins if twin.is_file()), path.with_name(stem + other))
    return found.get(".hdr"), found.get(".img")


def _check_length(loaded, values: Path, request: Request) -> None:  # type: ignore[no-untyped-def]
    if is_gzip(values):
        return
    needed = int(np.prod(loaded.shape, dtype=np.float64)) * loaded.get_data_dtype().itemsize + loaded.dataobj.offset
    found = values.stat().st_size
    if found < needed:
        raise InputError(
            f"{request.origin}: truncated: {found} bytes where its header announces {needed}; copy it anew"
        )


def _is_nifti(start: bytes) -> bool:
    return start[344:348] == b"ni1\0" or start[4:8] == b"ni2\0"


def _is_header(start: bytes) -> bool:
    """A NIfTI header of a pair, or one of Analyze: its length in either byte order, and up to seven axes."""
    if _is_nifti(start):
        return True
    if len(start) < _LENGTH or start[344:347] == b"n+1":
        return False
    for order in "<>":
        if np.frombuffer(start[:4], f"{order}i4")[0] == _LENGTH:
            axes, *sizes = np.frombuffer(start[40:50], f"{order}i2").tolist()
            return 1 <= axes <= 7 and all(n > 0 for n in sizes[: min(axes, 4)])
    return False


def _recognised(head: Head) -> bool:
    """A header; or values, which can begin with anything, beside one."""
    if _is_header(head.start):
        return True
    if not head.path.name.lower().endswith((".img", ".img.gz")):
        return False
    header, _ = _both(head.path)
    return header is not None and header.is_file() and _is_header(head_of(header, str(header)).start)


PAIR = Format(
    kind="pair",
    title="pair of .hdr and .img",
    suffixes=(".hdr", ".img"),
    recognised=_recognised,
    read=read,
    dims=(2, 3),
    units=True,
)
