"""The bounding box of what is not black: filters that turn black into black need not look at the rest.

Medical images are black to a third or more around the body.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def bounding_box(image: NDArray[Any], margin: int) -> tuple[slice, slice]:
    """Rows and columns of the smallest box `(H, W)` with all of `(..., H, W)` that is not 0, and `margin` around it.

    Clipped at the border; empty slices where the whole image is 0.
    """
    holds = (image != 0).any(axis=tuple(range(image.ndim - 2)))
    return _reach(holds.any(axis=1), margin), _reach(holds.any(axis=0), margin)


def _reach(holds: NDArray[np.bool_], margin: int) -> slice:
    places = np.flatnonzero(holds)
    if not len(places):
        return slice(0, 0)
    return slice(max(0, int(places[0]) - margin), min(len(holds), int(places[-1]) + 1 + margin))
