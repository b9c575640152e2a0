"""Dynamic series: several volumes of one place, told apart by time; one of them, or their mean over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.image import Image
from trifuse.core.progress import track
from trifuse.io.average import mean_weights
from trifuse.io.dicom import header as headers
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

_CLOCKS = (
    ("TemporalPositionIndex",),
    ("TemporalPositionIdentifier",),
    ("FrameReferenceTime",),
    ("FrameReferenceDateTime",),
    ("FrameAcquisitionDateTime",),
    ("AcquisitionDateTime",),
    ("AcquisitionDate", "AcquisitionTime"),
    ("AcquisitionTime",),
    ("TriggerTime",),
)
"""Attributes that may tell the time points of a series apart, the plainest first."""

_DURATIONS = ("ActualFrameDuration", "FrameAcquisitionDuration")
"""How long a frame was measured, in ms: of single-frame and of enhanced objects."""

_SAME_PLACE_MM = 1e-2


def time_points(flat: Sequence[Dataset]) -> list[list[int]]:
    """Frame numbers of each time point, in the order of time.

    One list where no two frames lie at the same place. Where some do, the first attribute of `_CLOCKS` by which
    every time point shows every place once; one list, too, if there is none, for the caller to refuse.

    Args:
        flat: header of each frame (see `frame_header`), in any order.
    """
    whole = [list(range(len(flat)))]
    if not all(headers.is_placed(header) for header in flat):
        return whole
    places = [_place(header) for header in flat]
    count = len(set(places))
    if count == len(flat):
        return whole
    for clock in _CLOCKS:
        groups = defaultdict(list)
        for index, header in enumerate(flat):
            groups[tuple(_moment(header.get(name)) for name in clock)].append(index)
        if len(groups) > 1 and all(len({places[i] for i in g}) == len(g) == count for g in groups.values()):
            return [groups[moment] for moment in sorted(groups)]
    return whole


def over_time(
    points: Sequence[Sequence[int]],
    flat: Sequence[Dataset],
    volume: Callable[[Sequence[int]], tuple[NDArray[Any], NDArray[np.float64]]],
    request: Request,
) -> Image:
    """The time point that a request chooses, or the mean of all, weighted by duration where every frame tells its own.

    Args:
        points: frame numbers of each time point.
        flat: header of each frame.
        volume: native values `(C, *space)` and affine of the frames with the given numbers.

    Raises:
        InputError: if no time point is chosen, or the chosen one does not exist.
    """
    chosen = request.choose(len(points), "time frames")
    header = flat[points[chosen[0]][len(points[0]) // 2]]
    if len(chosen) == 1:
        return headers.as_image(*volume(points[chosen[0]]), header, request)
    weights, note = mean_weights([_duration([flat[i] for i in points[frame]]) for frame in chosen], "time frames")
    total: NDArray[np.float64] | float = 0.0
    for frame, weight in track(list(zip(chosen, weights, strict=True)), "time frames"):
        values, affine = volume(points[frame])
        total = total + weight * values
    return headers.as_image(np.asarray(total), affine, header, request, notes=(note,))


def _place(header: Dataset) -> Hashable:
    """Where a frame lies, to a hundredth of a millimetre, and which way it faces."""
    position = np.array(header.ImagePositionPatient, dtype=np.float64) / _SAME_PLACE_MM
    cosines = np.array(header.ImageOrientationPatient, dtype=np.float64)
    return (*np.rint(position).astype(int), *np.rint(cosines * 1e3).astype(int))


def _moment(value: Any) -> tuple[float, str]:
    """A time as something that sorts: numbers by size, texts (dates) after them."""
    try:
        return float(value), ""
    except (TypeError, ValueError):
        return np.inf, str(value or "")


def _duration(frames: Sequence[Dataset]) -> float | None:
    """Seconds that the frames of a time point were measured, where they say so."""
    for name in _DURATIONS:
        told = Counter(float(header[name].value) / 1000 for header in frames if header.get(name) not in (None, ""))
        if told.total() == len(frames):
            return told.most_common(1)[0][0]
    return None
