"""How long a tracer had decayed when PET values count: from the injection to the time that they are corrected to.

Headers tell both in several ways, and not always the same. What a reading rests on is said; where two of them lead to
different values and nothing decides between them, both are named and neither is taken.

Sources: DICOM PS3.3 C.8.9.1 (Decay Correction, Frame Reference Time) and C.8.9.4 (Decay Factor); QIBA, FDG-PET/CT as
an imaging biomarker, profile of 2013, appendix G (which time is the start of the scan, GE's private attributes, the
start reckoned back from a frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.io.dicom import clock
from trifuse.io.dicom.clock import Moment, Told

if TYPE_CHECKING:
    from pydicom import Dataset

SAME_VALUE = 0.05
"""Times that change the dose by a smaller share tell the same."""

MOST_HALF_LIVES = 10
"""Between injection and scan; beyond, a thousandth is left and a date must be wrong."""

LONG_LIVED_S = 6 * 3600.0
"""Half-lives from here on leave so much of the day before that a time of day alone does not tell the day."""

UNUSUAL_HALF_LIVES = 3
ONE_SIDED_HALF_LIVES = 1.5
"""Longest wait that is believed where only one of two clocks names its offset from UTC."""

_LATE_S = 600.0
"""How long after a scan's last start an injection may be where nothing says how long the scan took."""


class NoSUVError(Exception):
    """Why there are no SUV, in words."""


@dataclass(frozen=True)
class Wait:
    """From injection to reference time.

    Attributes:
        seconds: negative where the scan started before the injection.
        text: which times it rests on, without dates.
    """

    seconds: float
    text: str


def wait(frames: Sequence[Dataset], isotope: Dataset, half_life: float, reference: Moment | None = None) -> Wait:
    """From the injection to the start of the scan, or to the time that the header names as that of its correction.

    Args:
        frames: header of every frame of the scan.
        isotope: item of the radiopharmaceutical.
        half_life: in seconds.
        reference: time that the values are corrected to, where the header tells it.

    Raises:
        NoSUVError: if a time is missing, or two readings differ, or what they tell cannot be.
    """
    scan = Scan.of(frames)
    start, why = (reference, "") if reference is not None else _start(scan, half_life)
    late = scan.length(start)
    injected, remark = _injection(frames[0], isotope, start, half_life, late)
    seconds = start.since(injected)
    if not _is_plausible(seconds, half_life, late):
        raise NoSUVError(_apart(start, injected, seconds))
    if start.one_sided(injected) and half_life < 2 * 86400 and seconds > ONE_SIDED_HALF_LIVES * half_life:
        raise NoSUVError(f"{_apart(start, injected, seconds)}, and only one of the two names its offset from UTC")
    remarks = [why, remark]
    if seconds < 0:
        remarks.append("the scan started before the injection")
    if seconds > UNUSUAL_HALF_LIVES * half_life:
        remarks.append(f"an unusually long wait of {seconds / half_life:.1f} half-lives: check the clocks")
    told = "; ".join(filter(None, remarks))
    return Wait(seconds, f"{start} - {injected} = {seconds / 60:.1f} min" + (f" ({told})" if told else ""))


def differs(a: Moment, b: Moment, half_life: float) -> bool:
    """Whether two times lead to different values."""
    apart = abs(a.since(b))
    return apart > 2 and 2 ** min(apart / half_life, 60) - 1 > SAME_VALUE


@dataclass(frozen=True)
class Scan:
    """The frames of a scan and when they were measured.

    Attributes:
        frames: header of every frame.
        series: the series' time.
        acquired: when the acquisition of each frame began; None where its header does not say.
    """

    frames: Sequence[Dataset]
    series: Moment | None
    acquired: Sequence[Moment | None]

    @classmethod
    def of(cls, frames: Sequence[Dataset]) -> Scan:
        """Undated times borrow the date of others: an acquisition the series', the series an acquisition's."""
        series = clock.event(frames[0], "Series")
        acquired = [clock.event(frame, "Acquisition") for frame in frames]
        first = min((moment for moment in acquired if moment is not None and moment.dated), key=_order, default=None)
        if series is not None and not series.dated:
            day = clock.told_date(frames[0].get("StudyDate"))
            if first is not None:
                series = replace(clock.nearest(series, first), dated=True)
            elif day is not None:
                series = replace(series, local=datetime.combine(day, series.local.time()), dated=True)
        anchor = series or first
        return cls(frames, series, [_borrowing(moment, anchor) for moment in acquired])

    @property
    def first(self) -> Moment | None:
        """The first acquisition."""
        return min((moment for moment in self.acquired if moment is not None), key=_order, default=None)

    def length(self, start: Moment) -> float:
        """Seconds from the start to the end, as far as the header tells, generously."""
        known = [length for frame in self.frames if (length := duration(frame)) > 0]
        begins = max((moment.since(start) for moment in self.acquired if moment is not None), default=0.0)
        if not 0 <= begins <= clock.DAY.total_seconds() / 4:
            begins = 0.0
        return begins + max(max(known, default=_LATE_S), 60.0)

    def reckoned(self, half_life: float) -> tuple[Moment, bool] | None:
        """Reference time by FrameReferenceTime, that of a frame's average activity, and whether frames agree on it."""
        found = []
        for frame, acquired in zip(self.frames, self.acquired, strict=True):
            offset, decay = number(frame, "FrameReferenceTime") / 1000, np.log(2) / half_life * duration(frame)
            if acquired is None or not offset > 0 or not decay > 0:
                continue
            middle = np.log(decay / -np.expm1(-decay)) / np.log(2) * half_life
            if offset >= 0.9 * middle:
                found.append(replace(acquired.later(middle - offset), source="the start by FrameReferenceTime"))
        return self._agreed(found, half_life)

    def applied(self, half_life: float) -> tuple[Moment, bool] | None:
        """Reference time by DecayFactor, what a frame's values were multiplied by, its own decay included."""
        found = []
        for frame, acquired in zip(self.frames, self.acquired, strict=True):
            factor, decay = number(frame, "DecayFactor"), np.log(2) / half_life * duration(frame)
            if acquired is None or not factor > 1:
                continue
            within = decay / -np.expm1(-decay) if decay > 0 else 1.0
            back = np.log(factor / within) / np.log(2) * half_life
            found.append(replace(acquired.later(-back), source="the start by DecayFactor"))
        return self._agreed(found, half_life)

    def _agreed(self, found: Sequence[Moment], half_life: float) -> tuple[Moment, bool] | None:
        """The middle one of several readings that agree, and whether frames of different times do."""
        if not found or len(found) < len(self.frames) / 2:
            return None
        ordered = sorted(found, key=_order)
        if differs(ordered[0], ordered[-1], half_life):
            return None
        return ordered[len(ordered) // 2], len({m.local for m in self.acquired if m is not None}) > 1


def _borrowing(moment: Moment | None, anchor: Moment | None) -> Moment | None:
    if moment is None or moment.dated or anchor is None:
        return moment
    return replace(clock.nearest(moment, anchor), dated=anchor.dated)


def _start(scan: Scan, half_life: float) -> tuple[Moment, str]:
    """Start of the scan, and why it is this one where that had to be decided.

    The series' time, which the standard makes the reference of all frames, unless that is later than the first
    acquisition (the time of processing) or lies days before it (a date that cannot be).
    """
    series, first, why = scan.series, scan.first, ""
    maker = _ge_moment(scan.frames[0], 0x0D, "GE's scan time (0009,100D)")
    if first is None or series is None:
        only = series or first or maker
        if only is None:
            raise NoSUVError("the start of the scan is not in its header (SeriesDate and SeriesTime)")
        return only, ""
    if first.since(series) > clock.DAY.total_seconds():
        series, why = clock.nearest(series, first), "SeriesDate cannot be and was set aside"
    if first.since(series) < -1:
        told = f"{series} is later than {first}: taken for the time of processing"
        return _reckoned_back(maker or first, scan, half_life), told
    rivals = [other for other in (first, maker) if other is not None and differs(series, other, half_life)]
    if not rivals:
        return series, why
    chosen, witness = _decided([series, *rivals], scan, half_life)
    others = " and ".join(str(other) for other in (series, *rivals) if other is not chosen)
    return chosen, "; ".join(filter(None, [why, f"{witness} decides against {others}"]))


def _reckoned_back(first: Moment, scan: Scan, half_life: float) -> Moment:
    """The first acquisition, or the start reckoned back from frames that lie later in a scan."""
    found = scan.applied(half_life) or scan.reckoned(half_life)
    if found is None or not differs(found[0], first, half_life):
        return first
    if found[1]:
        return found[0]
    raise NoSUVError(f"its header tells two starts of the scan, {first} and {found[0]}, and not which one counts")


def _decided(readings: Sequence[Moment], scan: Scan, half_life: float) -> tuple[Moment, str]:
    """The reading that the correction which was applied confirms, and the name of the attribute that tells it."""
    applied = scan.applied(half_life)
    if applied is not None:
        for reading in readings:
            if not differs(reading, applied[0], half_life):
                return reading, "DecayFactor"
    reckoned = None if applied is not None else scan.reckoned(half_life)
    if reckoned is not None and not differs(readings[0], reckoned[0], half_life):
        return readings[0], "FrameReferenceTime"
    told = " and ".join(str(reading) for reading in readings)
    raise NoSUVError(f"its header tells different starts of the scan, {told}, and not which one counts")


def _injection(dataset: Dataset, isotope: Dataset, start: Moment, half_life: float, late: float) -> tuple[Moment, str]:
    """When the tracer was injected, and a remark if its date was not believed."""
    whole = clock.told(isotope.get("RadiopharmaceuticalStartDateTime"))
    time_of_day = clock.told_time(isotope.get("RadiopharmaceuticalStartTime"))
    if time_of_day is not None and whole.clock is not None and whole.clock.isoformat() == "00:00:00":
        whole = replace(whole, clock=None)  # a date from which the time was taken away
    of_day = None
    if time_of_day is not None:
        today = datetime.combine(start.local, time_of_day)
        of_day = Moment(today, start.offset, "RadiopharmaceuticalStartTime", dated=False)
    dated = _dated_injection(whole, time_of_day, start, clock.zone_of(dataset))
    if whole.clock is None and time_of_day is None:
        dated = _ge_moment(dataset, 0x3B, "GE's injection time (0009,103B)")
    if dated is not None and start.dated and _is_plausible(start.since(dated), half_life, late):
        return _reconciled(dated, of_day, start, half_life, late)
    return _by_clock(dated, of_day, start, half_life, late)


def _dated_injection(whole: Told, of_day: time | None, start: Moment, zone: timedelta | None) -> Moment | None:
    """Injection by its date, with the time of day of the other attribute where the date has none."""
    if whole.day is None:
        return None
    source = "RadiopharmaceuticalStartDateTime"
    if whole.clock is not None:
        return Moment(datetime.combine(whole.day, whole.clock), zone if whole.offset is None else whole.offset, source)
    return None if of_day is None else Moment(datetime.combine(whole.day, of_day), start.offset, source)


def _reconciled(
    dated: Moment, of_day: Moment | None, start: Moment, half_life: float, late: float
) -> tuple[Moment, str]:
    """A dated injection whose time of day is not contradicted by the other attribute."""
    if of_day is None:
        return dated, ""
    here = dated.at_offset(start.offset)
    other = clock.nearest(of_day, here)
    if not differs(here, other, half_life):
        return dated, ""
    if dated.one_sided(start):  # the scanner's own clock needs no offset
        return clock.before(of_day, start, late), "the scan names no offset from UTC: the scanner's clock counts"
    raise NoSUVError(f"its header tells two times of injection, {here} and {of_day}, and not which one counts")


def _by_clock(
    dated: Moment | None, of_day: Moment | None, start: Moment, half_life: float, late: float
) -> tuple[Moment, str]:
    """The last time before the scan at which it was this time of day, for tracers that do not last a day."""
    if dated is None and of_day is None:
        raise NoSUVError("the time of injection is not in its header (RadiopharmaceuticalStartTime)")
    if half_life >= LONG_LIVED_S:
        why = "is missing" if dated is None or not start.dated else "cannot be"
        raise NoSUVError(
            f"with a half-life of {half_life / 3600:.1f} hours the day of injection counts, and its date {why} "
            "(RadiopharmaceuticalStartDateTime)"
        )
    here = None if dated is None else dated.at_offset(start.offset)
    if here is not None and of_day is not None and differs(clock.nearest(of_day, here), here, half_life):
        raise NoSUVError(f"its header tells two times of injection, {here} and {of_day}, and the date cannot be")
    taken = of_day or here
    assert taken is not None
    if here is None:
        return clock.before(taken, start, late), "" if start.dated else "by times of day alone"
    remark = "the date of injection cannot be and was set aside" if start.dated else "by times of day alone"
    return clock.before(taken, start, late), remark


def _is_plausible(seconds: float, half_life: float, late: float) -> bool:
    return -late <= seconds <= MOST_HALF_LIVES * half_life


def _apart(start: Moment, injected: Moment, seconds: float) -> str:
    return f"injection and scan lie {seconds / 3600:.1f} hours apart by its header ({injected}, {start})"


def _ge_moment(dataset: Dataset, element: int, source: str) -> Moment | None:
    """A date and time of GE's private group of PET."""
    try:
        value = dataset.private_block(0x0009, "GEMS_PETD_01")[element].value
    except KeyError:
        return None
    return clock.moment(value, source, clock.zone_of(dataset))


def number(holder: Dataset, keyword: str) -> float:
    """The number of an attribute; 0 where it is none or missing."""
    value: Any = holder.get(keyword)
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0.0
    return found if np.isfinite(found) else 0.0


def duration(frame: Dataset) -> float:
    """Seconds that a frame was measured; 0 where unknown."""
    return (number(frame, "ActualFrameDuration") or number(frame, "FrameAcquisitionDuration")) / 1000


def _order(moment: Moment) -> float:
    """Sorts moments in time."""
    seconds = (moment.local - datetime(1, 1, 1)).total_seconds()
    return seconds - (moment.offset.total_seconds() if moment.offset is not None else 0.0)
