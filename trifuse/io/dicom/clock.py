"""Dates, times of day and offsets from UTC as DICOM headers tell them, and the time that lies between two of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

DAY = timedelta(days=1)

_DATE = re.compile(r"(\d{4})\W?(\d{2})\W?(\d{2})$")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d*)?$")
_WHOLE = re.compile(r"(\d{4,14})(\.\d*)?([+-]\d{4})?$")


@dataclass(frozen=True)
class Moment:
    """When something happened.

    Attributes:
        local: date and time on the clock of the place.
        offset: of that clock from UTC; None where the header names none.
        source: the attributes that tell it.
        dated: whether the date is told; else `local` has one that was borrowed.
    """

    local: datetime
    offset: timedelta | None
    source: str
    dated: bool = True

    def since(self, other: Moment) -> float:
        """Seconds from the other moment to this one; offsets count where both name one."""
        passed = self.local - other.local
        if self.offset is not None and other.offset is not None:
            passed -= self.offset - other.offset
        return passed.total_seconds()

    def one_sided(self, other: Moment) -> bool:
        """Whether only one of the two names its offset from UTC."""
        return (self.offset is None) != (other.offset is None)

    def later(self, seconds: float) -> Moment:
        """The moment so many seconds later."""
        return replace(self, local=self.local + timedelta(seconds=seconds))

    def at_offset(self, offset: timedelta | None) -> Moment:
        """The same moment on the clock of another place, where both offsets are known."""
        if offset is None or self.offset is None:
            return self
        return replace(self, local=self.local + offset - self.offset, offset=offset)

    def __str__(self) -> str:
        """Attribute and time of day, without the date, which may be the patient's secret."""
        zone = ""
        if self.offset is not None:
            minutes = int(self.offset.total_seconds()) // 60
            zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
        return f"{self.source} {self.local:%H:%M:%S}{zone}"


@dataclass(frozen=True)
class Told:
    """What one attribute tells of a moment: a date, a time of day, an offset, or only some of them."""

    day: date | None = None
    clock: time | None = None
    offset: timedelta | None = None


def told(value: Any) -> Told:
    """DICOM's DT: YYYYMMDD[HHMMSS[.F]][+ZZXX]; parts that are no date or time are left out."""
    match = _WHOLE.match(_text(value))
    if not match:
        return Told()
    digits, fraction, zone = match.groups()
    return Told(told_date(digits[:8]), told_time(digits[8:] + (fraction or "")), told_offset(zone))


def told_date(value: Any) -> date | None:
    """DICOM's DA: YYYYMMDD, in old files YYYY.MM.DD."""
    match = _DATE.match(_text(value))
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def told_time(value: Any) -> time | None:
    """DICOM's TM: HH[MM[SS[.F]]], in old files HH:MM:SS."""
    match = _TIME.match(_text(value))
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    micro = min(round(float(f"0{fraction or '.0'}0") * 1e6), 999_999)
    try:
        return time(int(hour), int(minute or 0), min(int(second or 0), 59), micro)  # 60 is a leap second
    except ValueError:
        return None


def told_offset(value: Any) -> timedelta | None:
    """DICOM's &ZZXX, hours and minutes from UTC."""
    text = _text(value)
    if not re.fullmatch(r"[+-]\d{4}", text):
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes) if minutes <= 14 * 60 else None


def zone_of(dataset: Dataset) -> timedelta | None:
    """Offset from UTC of all dates and times of an object that name none of their own."""
    return told_offset(dataset.get("TimezoneOffsetFromUTC"))


def moment(value: Any, source: str, zone: timedelta | None) -> Moment | None:
    """A DT that tells date and time, None if it lacks one of them."""
    part = told(value)
    if part.day is None or part.clock is None:
        return None
    return Moment(datetime.combine(part.day, part.clock), zone if part.offset is None else part.offset, source)


def event(dataset: Dataset, name: str) -> Moment | None:
    """When an event was: `name` "Series" looks at SeriesDateTime, else at SeriesDate and SeriesTime.

    A time without date gets the first of January of the year 1 and is not `dated`.
    """
    zone = zone_of(dataset)
    whole = moment(dataset.get(f"{name}DateTime"), f"{name}DateTime", zone)
    if whole is not None:
        return whole
    day, clock = told_date(dataset.get(f"{name}Date")), told_time(dataset.get(f"{name}Time"))
    if clock is None:
        return None
    return Moment(datetime.combine(day or date(1, 1, 2), clock), zone, f"{name}Time", dated=day is not None)


def nearest(clock: Moment, to: Moment) -> Moment:
    """The moment with its time of day on the day that brings it nearest to another one; its own date plays no part."""
    same_day = replace(clock, local=datetime.combine(to.local.date(), clock.local.time()), dated=False)
    away = same_day.since(to)
    half = DAY.total_seconds() / 2
    shift = DAY if away < -half else -DAY if away > half else timedelta(0)
    return replace(same_day, local=same_day.local + shift)


def before(clock: Moment, at: Moment, slack: float) -> Moment:
    """The last moment with its time of day that is no more than `slack` seconds after another one."""
    same_day = replace(clock, local=datetime.combine(at.local.date(), clock.local.time()), dated=False)
    days = -(-(same_day.since(at) - slack) // DAY.total_seconds())
    return replace(same_day, local=same_day.local - days * DAY)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str) and hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        value = value[0] if len(value) else ""
    return str(value).strip().strip("\0").strip()
