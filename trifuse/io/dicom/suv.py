"""Standardised uptake values: PET activity divided by the injected activity per gram of body weight.

    SUVbw = activity [Bq/ml] x weight [g] / injected dose [Bq], both activities at one time

The header says to what time the scanner has corrected for decay. ADMIN: to the injection, so that the dose counts as it
was injected. START: to the start of the scan, so that the dose is brought there, dose x 2^(-(start - injection) /
half-life). Volumes without this correction are refused, since every slice then has a time of its own.

Sources: DICOM PS3.3 C.8.9.1 (PET series: Units, Decay Correction) and C.8.9.2 (isotope: dose, times, half-life);
QIBA, FDG-PET/CT as an imaging biomarker, profile of 2013, appendix G (which time is the start of the scan).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import UnitsError
from trifuse.image import Image, Modality
from trifuse.io.request import Request, one_line

if TYPE_CHECKING:
    from pydicom import Dataset

_SMALLEST_DOSE = 1e5
"""Bq; a smaller number is a dose in MBq, against the standard."""

_MOST_HALF_LIVES = 20
"""Between injection and scan; beyond, nothing is left and a date must be wrong."""

_DAY = timedelta(days=1)


def in_suv(image: Image, datasets: Sequence[Dataset], request: Request) -> Image:
    """The PET in SUVbw, pixels and window alike; other modalities, and PET that is in SUVbw already, as they are.

    Args:
        image: native values as the headers rescale them.
        datasets: the files of the series; they say the times of each slice.

    Raises:
        UnitsError: if the headers do not allow it, with the reason.
    """
    if image.modality is not Modality.PET:
        return image
    try:
        factor, note = _factor(datasets)
    except _NoSUVError as reason:
        raise UnitsError(
            f"{request.origin}: cannot be turned into SUV: {reason}; read it in its own units instead"
        ) from None
    low, high = image.window
    values = image.native()
    return replace(
        image,
        stored=values if factor == 1 else values * factor,
        window=(low * factor, high * factor),
        notes=(*image.notes, note),
    )


class _NoSUVError(Exception):
    """What is missing, in words."""


def _factor(datasets: Sequence[Dataset]) -> tuple[float, str]:
    """What native values are multiplied by, and a note."""
    first = datasets[0]
    units = str(first.get("Units") or "")
    if units == "GML":
        kind = str(first.get("SUVType") or "BW")
        if kind != "BW":
            raise _NoSUVError(f"its values are SUV by another body measure already ({one_line(kind)})")
        return 1.0, "values are SUVbw as stored"
    if units == "CNTS":
        return _philips(datasets), "counts turned into SUVbw by the maker's factor"
    if units != "BQML":
        raise _NoSUVError(f"its units are {one_line(units)}, not BQML" if units else "its header names no units")
    listed = first.get("CorrectedImage") or []
    corrected = {listed} if isinstance(listed, str) else set(listed)
    correction = str(first.get("DecayCorrection") or "")
    if correction not in ("START", "ADMIN") or (corrected and "DECY" not in corrected):
        raise _NoSUVError("it is not corrected for decay, or does not say to what time")
    if corrected and "ATTN" not in corrected:
        raise _NoSUVError("it is not corrected for attenuation")
    grams = 1000 * _positive(first, "PatientWeight", "the patient's weight")
    isotope = (first.get("RadiopharmaceuticalInformationSequence") or [None])[0]
    if isotope is None:
        raise _NoSUVError("its header says nothing of the injected tracer")
    dose = _positive(isotope, "RadionuclideTotalDose", "the injected dose")
    if dose < _SMALLEST_DOSE:
        raise _NoSUVError(f"a dose of {dose:g} Bq is none (written in MBq?)")
    if correction == "ADMIN":
        return grams / dose, "Bq/ml turned into SUVbw (decay corrected to the injection)"
    half_life = _positive(isotope, "RadionuclideHalfLife", "the half-life")
    waited = _waited(datasets, isotope, half_life)
    left = dose * 2 ** (-waited / half_life)
    return grams / left, f"Bq/ml turned into SUVbw (decay corrected to the scan, {waited / 60:.0f} min after injection)"


def _philips(datasets: Sequence[Dataset]) -> float:
    """The factor from counts to SUVbw in Philips' private attribute (7053,1000)."""
    told = {float(dataset[0x7053, 0x1000].value) for dataset in datasets if (0x7053, 0x1000) in dataset}
    if len(told) != 1 or not all(factor > 0 for factor in told):
        raise _NoSUVError("its values are counts, without the maker's factor to SUV")
    return told.pop()


def _positive(holder: Dataset, keyword: str, what: str) -> float:
    value = holder.get(keyword)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not (np.isfinite(number) and number > 0):
        raise _NoSUVError(f"{what} is not in its header ({keyword})")
    return number


def _waited(datasets: Sequence[Dataset], isotope: Dataset, half_life: float) -> float:
    """Seconds from injection to the start of the scan.

    The scan starts at the series' time, which the standard makes the reference of all frames, unless that is later than
    the first acquisition (some workstations write the time of processing there). An injection that tells only its
    time of day was the last one before the scan.
    """
    acquired = [moment for dataset in datasets if (moment := _when(dataset, "Acquisition")) is not None]
    series = _when(datasets[0], "Series")
    starts = acquired if series is None else [series, *acquired]
    if not starts:
        raise _NoSUVError("the start of the scan is not in its header (SeriesDate and SeriesTime)")
    start = min(starts)
    injected = _moment(isotope.get("RadiopharmaceuticalStartDateTime"))
    if injected is None:
        clock = _moment(f"{start:%Y%m%d}{isotope.get('RadiopharmaceuticalStartTime') or ''}", time_needed=True)
        if clock is None:
            raise _NoSUVError("the time of injection is not in its header (RadiopharmaceuticalStartTime)")
        injected = clock if clock <= start else clock - _DAY
    waited = (start - injected).total_seconds()
    if not 0 <= waited <= _MOST_HALF_LIVES * half_life:
        raise _NoSUVError(f"injection and scan lie {waited / 3600:.1f} hours apart by its header")
    return waited


def _when(dataset: Dataset, event: str) -> datetime | None:
    """Moment of an event by its date-time attribute, or its date and time."""
    whole = _moment(dataset.get(f"{event}DateTime"))
    date, time = dataset.get(f"{event}Date"), dataset.get(f"{event}Time")
    return whole or (_moment(f"{date}{time}", time_needed=True) if date and time else None)


def _moment(value: Any, *, time_needed: bool = False) -> datetime | None:
    """DICOM's YYYYMMDD[HHMMSS[.F]] as a moment, None if it is none; an offset from UTC is left out on all sides."""
    text = str(value or "").split("+")[0].split("-")[0].strip()
    digits, _, fraction = text.partition(".")
    if len(digits) < (10 if time_needed else 8) or not digits.isdecimal():
        return None
    try:
        moment = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{fraction or 0}"))
