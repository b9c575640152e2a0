"""FreeSurfer's MGH and MGZ through nibabel."""

from __future__ import annotations

import gzip

import numpy as np

from trifuse.core.image import Image
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.nifti import drained, from_nibabel
from trifuse.io.request import Request
from trifuse.io.sniff import Head, is_gzip


def read(request: Request) -> Image:
    """Volume with its own values and geometry; several frames need `frame`.

    Raises:
        InputError: if it is damaged, truncated, too large, or holds several frames and none is chosen.
    """
    import nibabel as nib

    opener = gzip.open if is_gzip(request.path) else open
    with guarded(request.origin, "MGH"), opener(request.path, "rb") as stream:
        loaded = nib.MGHImage.from_file_map({"image": nib.FileHolder(fileobj=stream)}, mmap=False)
        image = from_nibabel(loaded, request)
        drained(stream, request)
        return image


def _recognised(head: Head) -> bool:
    """Big-endian: version 1, four sizes, a type of values that there is."""
    if len(head.start) < 24:
        return False
    version, *sizes, kind = np.frombuffer(head.start[:24], ">i4").tolist()
    return version == 1 and all(0 < n < 2**20 for n in sizes) and kind in (0, 1, 3, 4, 10)


MGH = Format(
    kind="mgh",
    title="MGH",
    suffixes=(".mgz", ".mgh"),
    recognised=_recognised,
    read=read,
    dims=(2, 3),
    units=True,
)
