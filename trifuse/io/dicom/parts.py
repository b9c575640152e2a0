"""What frames of one series belong together: stacks, and at one place echoes, b-values, time frames and the like."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import one_line
from trifuse.core.image import Image
from trifuse.core.progress import track
from trifuse.io.average import mean_weights
from trifuse.io.dicom import header as headers
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

Values = tuple[NDArray[Any], NDArray[np.float64], tuple[str, ...]]
"""Native values `(C, *space)`, affine, notes."""


@dataclass(frozen=True)
class Trait:
    """What may differ between frames of one place.

    Attributes:
        what: name of the parts that it makes.
        keywords: attributes that tell it, together.
        label: goes before the value in a list.
        over_time: whether the mean of the parts is one long frame; the mean of two echoes is nothing.
    """

    what: str
    keywords: tuple[str, ...]
    label: str = ""
    over_time: bool = False


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
"""Attributes that may tell time points apart, the plainest first."""

TRAITS = (
    Trait("echoes", ("EchoTime",), "TE "),
    Trait("echoes", ("EffectiveEchoTime",), "TE "),
    Trait("echoes", ("EchoNumbers",), "echo "),
    Trait("b-values", ("DiffusionBValue",), "b "),
    Trait("inversion times", ("InversionTime",), "TI "),
    Trait("flip angles", ("FlipAngle",), "flip angle "),
    Trait("tube voltages", ("KVP",), "kV "),
    Trait("energy windows", ("EnergyWindowVector",), "window "),
    Trait("components", ("ComplexImageComponent",)),
    Trait("kinds of image", ("ImageType",)),
    Trait("gates", ("TimeSlotVector",), "gate ", over_time=True),
    *(Trait("time frames", keywords, over_time=True) for keywords in _CLOCKS),
    Trait("acquisitions", ("AcquisitionNumber",), "acquisition "),
)
"""What splits a series, contrast before time: two echoes are no dynamic series though they have times of their own."""

_DURATIONS = ("ActualFrameDuration", "FrameAcquisitionDuration")
"""How long a frame was measured, in ms: of single-frame and of enhanced objects."""

_SAME_PLACE_MM = 0.02
_PARALLEL_MM = 0.3
"""Frames whose edges lie further from parallel are stacks of their own."""


@dataclass(frozen=True)
class Parts:
    """Volumes or slices that a series holds.

    Attributes:
        what: what they are: "echoes", "time frames", "stacks".
        labels: of each; "" where its number says all.
        frames: frame numbers of each.
        over_time: whether their mean makes sense.
    """

    what: str
    labels: tuple[str, ...]
    frames: tuple[tuple[int, ...], ...]
    over_time: bool = False

    def __len__(self) -> int:
        return len(self.frames)

    def listed(self) -> str:
        """`echoes (TE 14, TE 98)`."""
        named = [label for label in self.labels if label]
        return f"{self.what} ({', '.join(named[:6])}{', ...' if len(named) > 6 else ''})" if named else self.what


def split(flat: Sequence[Dataset]) -> Parts:
    """The parts of a series, one if its frames form one volume or do not say where they lie.

    Frames of one place are told apart by the first trait of which every value shows every place once, or by two or
    three of them; else, where every frame of a place has its own time, by their order in time. One part, too, if
    nothing does it, for the caller to refuse.

    Args:
        flat: header of each frame (see `frame_header`), in any order.
    """
    if len(flat) < 2 or not all(headers.is_placed(header) for header in flat):
        return _whole(range(len(flat)))
    stacks, why = _stacks(flat)
    divided = [_of_stack(flat, stack) for stack in stacks]
    if len(divided) == 1:
        return divided[0]
    names = [f"{_plane(flat[stack[0]])} {len(stack)} images" for stack in stacks]
    labels = [f"{name} {label}".strip() for name, parts in zip(names, divided, strict=True) for label in parts.labels]
    return Parts(why, tuple(labels), tuple(frames for parts in divided for frames in parts.frames))


def chosen(parts: Parts, flat: Sequence[Dataset], volume: Callable[[Sequence[int]], Values], request: Request) -> Image:
    """The part that a request chooses, or the mean of all, weighted by duration where every frame tells its own.

    Args:
        parts: what there is, two or more.
        flat: header of each frame.
        volume: values, affine and notes of the frames with the given numbers.

    Raises:
        InputError: if no part is chosen, or the chosen one does not exist, or their mean makes no sense.
    """
    taken = request.choose(len(parts), parts.listed(), averages=parts.over_time)
    header = flat[parts.frames[taken[0]][len(parts.frames[taken[0]]) // 2]]
    if len(taken) == 1:
        values, affine, notes = volume(parts.frames[taken[0]])
        label = parts.labels[taken[0]]
        told = f"{taken[0]} of {len(parts)} {parts.what} (from 0){f': {one_line(label)}' if label else ''}"
        return headers.as_image(values, affine, header, request, notes=(told, *notes))
    weights, note = mean_weights([_duration([flat[i] for i in parts.frames[part]]) for part in taken], parts.what)
    total: NDArray[np.float64] | float = 0.0
    affine, notes = np.eye(4), ()
    for part, weight in track(list(zip(taken, weights, strict=True)), parts.what):
        values, affine, notes = volume(parts.frames[part])
        total = total + weight * values
    return headers.as_image(np.ma.asanyarray(total), affine, header, request, notes=(note, *notes))


def _whole(numbers: Sequence[int]) -> Parts:
    return Parts("volumes", ("",), (tuple(numbers),))


def _stacks(flat: Sequence[Dataset]) -> tuple[list[list[int]], str]:
    """Frames of one size, colour model, pixel spacing, frame of reference and orientation; how the stacks differ."""
    found: list[list[int]] = []
    for number, header in enumerate(flat):
        for stack in found:
            if not _why_apart(header, flat[stack[0]]):
                stack.append(number)
                break
        else:
            found.append([number])
    if len(found) == 1:
        return found, ""
    why = _why_apart(flat[found[1][0]], flat[found[0][0]])
    if why.startswith("slices of different sizes"):
        sizes = sorted({_size(flat[stack[0]]) for stack in found})
        why += f" ({', '.join(f'{width} x {height} {one_line(colour)}' for width, height, _, colour in sizes[:4])})"
    return found, f"stacks that form no one volume: {why}"


def _why_apart(header: Dataset, other: Dataset) -> str:
    """Why two frames are of different stacks; "" if they are not."""
    if _size(header) != _size(other):
        return "slices of different sizes or colour models"
    frames = [str(each.get("FrameOfReferenceUID") or "") for each in (header, other)]
    if all(frames) and frames[0] != frames[1]:
        return "slices in different frames of reference"
    spacings = np.array([header.PixelSpacing, other.PixelSpacing], dtype=np.float64)
    if (np.abs(spacings[0] - spacings[1]) * (header.Rows, header.Columns)).max() > spacings[1].min() / 4:
        return "slices of different pixel spacings"
    cosines = np.array(other.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    tolerance = min(_PARALLEL_MM, spacings[1].min() / 2)
    return "slices that are not parallel (a localizer?)" if headers.turned_mm(header, cosines) > tolerance else ""


def _size(header: Dataset) -> tuple[int, int, int, str]:
    samples = int(header.get("SamplesPerPixel") or 1)
    return int(header.Columns), int(header.Rows), samples, str(header.get("PhotometricInterpretation"))


def _plane(header: Dataset) -> str:
    """The anatomical plane that a frame comes nearest to."""
    return ("sagittal", "coronal", "axial")[int(np.abs(headers.plane_normal(header)).argmax())]


def _of_stack(flat: Sequence[Dataset], stack: Sequence[int]) -> Parts:
    """Parts of the frames of one stack."""
    places = _places([flat[number] for number in stack])
    counts = Counter(places)
    if len(counts) == len(stack):
        return _whole(stack)
    varying = [trait for trait in TRAITS if len({_value(flat[number], trait) for number in stack}) > 1]
    for together in range(1, 4):
        for traits in itertools.combinations(varying, together):
            groups: dict[Hashable, list[int]] = defaultdict(list)
            held: dict[Hashable, list[int]] = defaultdict(list)
            for number, place in zip(stack, places, strict=True):
                key = tuple(_value(flat[number], trait) for trait in traits)
                groups[key].append(number)
                held[key].append(place)
            if len(groups) > 1 and all(len(set(p)) == len(p) == len(counts) for p in held.values()):
                return _parts(flat, groups, traits, _unsaid(flat, groups, varying, traits))
    return _by_order(flat, stack, places, varying) or _whole(stack)


def _contrasts(varying: Sequence[Trait]) -> list[Trait]:
    """Those in which images differ of which the mean is nothing."""
    return [trait for trait in varying if not trait.over_time and trait.what != "acquisitions"]


def _unsaid(
    flat: Sequence[Dataset], groups: dict[Any, list[int]], varying: Sequence[Trait], traits: Sequence[Trait]
) -> list[Trait]:
    """Contrasts in which parts differ that times tell apart already: directions of diffusion have their own."""
    if not all(trait.over_time for trait in traits):
        return []
    first = [flat[numbers[0]] for numbers in groups.values()]
    return [trait for trait in _contrasts(varying) if len({_value(header, trait) for header in first}) > 1]


def _parts(
    flat: Sequence[Dataset], groups: dict[Any, list[int]], traits: Sequence[Trait], unsaid: Sequence[Trait]
) -> Parts:
    keys = sorted(groups)
    shown = [_distinct([key[index] for key in keys], trait) for index, trait in enumerate(traits)]
    shown += [_distinct([_value(flat[groups[key][0]], trait) for key in keys], trait) for trait in unsaid]
    labels = tuple(" ".join(filter(None, words)) for words in zip(*shown, strict=True))
    what = " and ".join(dict.fromkeys(trait.what for trait in (*traits, *unsaid)))
    over_time = all(trait.over_time for trait in (*traits, *unsaid))
    return Parts(what, labels, tuple(tuple(groups[key]) for key in keys), over_time)


def _by_order(
    flat: Sequence[Dataset], stack: Sequence[int], places: Sequence[int], varying: Sequence[Trait]
) -> Parts | None:
    """Time frames where every place was measured equally often, each time at another time."""
    counts = Counter(places)
    often = set(counts.values())
    if len(often) != 1:
        return None
    for trait in TRAITS:
        times = [_value(flat[number], trait) for number in stack]
        if trait.what != "time frames" or len(set(zip(places, times, strict=True))) < len(stack):
            continue
        frames: list[list[int]] = [[] for _ in range(often.pop())]
        for place in counts:
            here = sorted((t, n) for t, n, p in zip(times, stack, places, strict=True) if p == place)
            for turn, (_, number) in enumerate(here):
                frames[turn].append(number)
        over_time = not _contrasts(varying)
        return Parts("time frames", ("",) * len(frames), tuple(map(tuple, frames)), over_time)
    return None


def _places(flat: Sequence[Dataset]) -> list[int]:
    """Number of the place of each frame along the normal; frames within a hair's breadth share one."""
    heights = np.array([h.ImagePositionPatient for h in flat], dtype=np.float64) @ headers.plane_normal(flat[0])
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    apart = steps[steps > 1e-4]
    tolerance = min(_SAME_PLACE_MM, float(np.median(apart)) / 10) if apart.size else _SAME_PLACE_MM
    numbers = np.empty(len(flat), dtype=int)
    numbers[order] = np.concatenate([[0], np.cumsum(steps > tolerance)])
    return [int(number) for number in numbers]


def _value(header: Dataset, trait: Trait) -> tuple[tuple[float, str], ...]:
    """What a frame says of a trait, as something that sorts: numbers by size, texts (dates) after them."""
    return tuple(_sortable(header.get(keyword)) for keyword in trait.keywords)


def _sortable(value: Any) -> tuple[float, str]:
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return np.inf, "\\".join(map(str, value))
    try:
        return float(value), ""
    except (TypeError, ValueError):
        return np.inf, str(value or "")


def _distinct(values: Sequence[tuple[tuple[float, str], ...]], trait: Trait) -> list[str]:
    """Labels of the values of a trait; of texts with several words those that not all have."""
    if trait.over_time and not trait.label:
        order = {value: str(number) for number, value in enumerate(dict.fromkeys(values))}
        return [""] * len(values) if len(order) == len(values) else [f"time {order[value]}" for value in values]
    texts = [value[0][1] or ("none" if np.isinf(value[0][0]) else f"{value[0][0]:g}") for value in values]
    common = set.intersection(*(set(text.split("\\")) for text in texts))
    shown = ["/".join(word for word in text.split("\\") if word not in common) for text in texts]
    return [f"{trait.label}{short or text}" for short, text in zip(shown, texts, strict=True)]


def _duration(frames: Sequence[Dataset]) -> float | None:
    """Seconds that the frames of a time point were measured, where they say so."""
    for name in _DURATIONS:
        told = Counter(float(header[name].value) / 1000 for header in frames if header.get(name) not in (None, ""))
        if told.total() == len(frames):
            return told.most_common(1)[0][0]
    return None
