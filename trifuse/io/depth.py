"""One range for the 16-bit pictures of a series: slices of one scan must not jump in brightness.

A series are the files of a folder whose names differ in their numbers alone (`ct-001.png`, `ct-002.png`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from trifuse.core.image import guess_modality
from trifuse.io.display import DEPTHS, depth_note, depth_of
from trifuse.io.guard import mute, quiet

_MOST = 256
"""Files of a series that are looked at, evenly spread; all of them in most."""


def series_depth(path: Path, highest: float) -> tuple[float, str]:
    """The depth that holds a picture and all of its series, and a note of it.

    Args:
        path: of the picture.
        highest: its highest value.
    """
    tops, series = [highest], siblings(path)
    for sibling in series if depth_of(highest) < DEPTHS[-1] else ():
        status = sibling.stat()
        tops.append(_highest(sibling, status.st_size, status.st_mtime_ns))
        if depth_of(max(tops)) == DEPTHS[-1]:
            break
    top = depth_of(max(tops))
    return top, depth_note(top) + (f" and the {len(series)} others of its series" if series else "")


def siblings(path: Path) -> list[Path]:
    """The other files of the series, of one modality where names tell it."""
    if not re.search(r"\d", path.stem):
        return []
    pattern = _without_numbers(path)
    try:
        beside = [other for other in path.parent.iterdir() if other != path and _without_numbers(other) == pattern]
        found = sorted(other for other in beside if guess_modality(other) is guess_modality(path) and other.is_file())
    except OSError:
        return []
    return found[:: -(-len(found) // _MOST)] if len(found) > _MOST else found


def _without_numbers(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name.lower())


@lru_cache(maxsize=4096)
def _highest(path: Path, size: int, changed: int) -> float:
    """Highest value of a 16-bit grey picture, 0 for others; `size` and `changed` tell a new file of that name."""
    from PIL import Image as Pillow

    try:
        with quiet(), mute(), Pillow.open(path, formats=["PNG", "TIFF"]) as picture:
            return float(np.asarray(picture).max()) if picture.mode.startswith("I;16") else 0.0
    except Exception:  # a broken neighbour is told when it is read itself
        return 0.0
