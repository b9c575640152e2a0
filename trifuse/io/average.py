"""The mean of frames over time: what each of them weighs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_weights(seconds: Sequence[float | None], what: str) -> tuple[NDArray[np.float64], str]:
    """Weights of frames in their mean, which sum to 1, and a note that says how they were averaged.

    Frames that all tell how long they were measured are weighted by it, so that the mean is what one long frame would
    have measured; others count alike.

    Args:
        seconds: how long each frame was measured; None where unknown.
        what: name of the frames, for the note.
    """
    known = [length for length in seconds if length is not None and length > 0]
    note = f"mean of {len(seconds)} {what}"
    if len(known) < len(seconds):
        return np.full(len(seconds), 1 / len(seconds)), note
    return np.array(known) / sum(known), f"{note}, weighted by their durations ({min(known):g} to {max(known):g} s)"
