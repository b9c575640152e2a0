"""PET that its scanner did not correct for decay (DecayCorrection NONE): corrected here, slice by slice.

A slice holds the mean activity while it was measured. With decay constant k = ln 2 / half-life, a slice that was
measured for D seconds from time t on is brought to the first acquisition t0 of the series by the factor

    k D / (1 - exp(-k D)) x exp(k (t - t0))

Source: DICOM PS3.3 C.8.9.4 (Decay Factor, Actual Frame Duration); the first part is the mean of exp(-k s) over D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.io.dicom.clock import Moment
from trifuse.io.dicom.decay import NoSUVError, Scan, duration, number

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Restored:
    """What the values of each frame are multiplied by, and the time that they are then corrected to."""

    factors: tuple[float, ...]
    reference: Moment


def restored(frames: Sequence[Dataset], half_life: float) -> Restored:
    """Correction of frames that are not corrected for decay.

    Args:
        frames: header of every frame of the series.
        half_life: in seconds.

    Raises:
        NoSUVError: if a frame does not say when and for how long it was measured, or what was corrected after all.
    """
    if any(number(frame, "DecayFactor") > 1 for frame in frames):
        raise NoSUVError("its header says that it is not corrected for decay (DecayCorrection), and by how much it is")
    acquired = Scan.of(frames).acquired
    lengths = [duration(frame) for frame in frames]
    times = [moment for moment in acquired if moment is not None]
    if len(times) < len(frames) or not all(length > 0 for length in lengths):
        raise NoSUVError(
            "it is not corrected for decay, and does not say when and for how long each slice was measured "
            "(AcquisitionTime, ActualFrameDuration)"
        )
    first = min(times, key=lambda moment: moment.since(times[0]))
    rate = np.log(2) / half_life
    within = [rate * length / -np.expm1(-rate * length) for length in lengths]
    later = [np.exp(rate * moment.since(first)) for moment in times]
    return Restored(tuple(float(a * b) for a, b in zip(within, later, strict=True)), first)
