"""Standardised uptake values: PET activity divided by the injected activity per gram of body weight.

    SUVbw = activity [Bq/ml] x weight [g] / injected dose [Bq], both activities at one time

The header says to what time the scanner has corrected for decay. ADMIN: to the injection, so that the dose counts as it
was injected. START: to the start of the scan, so that the dose is brought there, dose x 2^(-(start - injection) /
half-life); see `trifuse.io.dicom.decay` for the times. Enhanced PET names that time itself. Without this correction
every slice has a time of its own, from which it is corrected (see `trifuse.io.dicom.uncorrected`).

Sources: DICOM PS3.3 C.8.9.1 (PET series: Units, Decay Correction), C.8.9.2 (isotope: dose, times, half-life) and
C.8.22 (Enhanced PET); Philips' conformance statements for (7053,1000) and (7053,1009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.core.errors import UnitsError, one_line
from trifuse.core.image import Image, Modality
from trifuse.io.dicom import clock, nuclides
from trifuse.io.dicom.decay import SAME_VALUE, NoSUVError, Wait, number, wait
from trifuse.io.dicom.uncorrected import Restored, restored
from trifuse.io.dicom.units import activity_units
from trifuse.io.display import suv_window
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

_SMALLEST_DOSE = 1e5
"""Bq; a smaller number is a dose in MBq, against the standard."""

_DOSES_PER_GRAM = (20.0, 5e6)
"""Bq injected per gram: scanners of the whole body make do with some 50, mice get up to a million."""

_HEAVIEST_KG = 1000
"""A greater weight was written in grams."""

_HERE = "each slice here, from the time and length of its acquisition"
_FORMULA = "SUVbw = Bq/ml x weight / dose"


def restoring(frames: Sequence[Dataset], request: Request) -> Restored | None:
    """The decay correction that the frames of a PET lack; None where they have it, or need none.

    Raises:
        UnitsError: if they lack it and do not allow it, with the reason.
    """
    first = frames[0]
    if str(first.get("Modality")) != "PT" or activity_units(first) not in ("BQML", "KBQML"):
        return None
    if not _is_uncorrected(first):
        return None
    try:
        return restored(frames, _half_life(_isotope(first)))
    except NoSUVError as reason:
        raise _refusal(request, reason) from None


def _is_uncorrected(first: Dataset) -> bool:
    """Whether a header says that nothing was corrected for decay, and nothing in it says otherwise."""
    kind, flag = str(first.get("DecayCorrection") or ""), str(first.get("DecayCorrected") or "")
    return "DECY" not in _corrections(first) and (kind == "NONE" or (flag == "NO" and not kind))


def _refusal(request: Request, reason: NoSUVError) -> UnitsError:
    return UnitsError(f"{request.origin}: cannot be turned into SUV: {reason}; read it in its own units instead")


def in_suv(image: Image, frames: Sequence[Dataset], request: Request, decay: Restored | None = None) -> Image:
    """The PET in SUVbw, shown by `suv_window`; other modalities, and PET that is in SUVbw already, as they are.

    Args:
        image: native values as the headers rescale them.
        frames: header of every frame of the series, with all its attributes at the top level; they say the times.
        decay: the correction for decay that was made here.

    Raises:
        UnitsError: if the headers do not allow it, with the reason.
    """
    if image.modality is not Modality.PET:
        return image
    try:
        factor, note = _factor(frames, decay)
    except NoSUVError as reason:
        raise _refusal(request, reason) from None
    values = image.native() if factor == 1 else image.native() * factor
    low, high = suv_window(values)
    measured = replace(image, stored=values, units="SUV")
    shown = measured.windowed(low, high, told="which holds 99 % of the body")
    return replace(shown, notes=(*shown.notes, note))


def _factor(frames: Sequence[Dataset], decay: Restored | None = None) -> tuple[float, str]:
    """What native values are multiplied by, and a note of what it rests on."""
    first = frames[0]
    units = activity_units(first)
    if units == "GML":
        kind = str(first.get("SUVType") or "BW")
        if kind != "BW":
            raise NoSUVError(f"its values are SUV by another body measure already ({one_line(kind)})")
        return 1.0, "values are SUVbw as stored (units GML)"
    if units == "CNTS":
        return _philips(frames)
    if units not in ("BQML", "KBQML"):
        raise NoSUVError(f"its units are {one_line(units)}, not BQML" if units else "its header names no units")
    factor, told = _by_formula(frames, decay)
    return factor * (1000 if units == "KBQML" else 1), f"Bq/ml turned into SUVbw: {told}"


def _by_formula(frames: Sequence[Dataset], decay: Restored | None = None) -> tuple[float, str]:
    """The factor from Bq/ml to SUVbw, and what it rests on."""
    first = frames[0]
    _check_attenuation(first)
    correction = _correction(first) if decay is None else _Correction(False, _HERE, decay.reference)
    grams = 1000 * _positive(first, "PatientWeight", "the patient's weight")
    if grams > 1000 * _HEAVIEST_KG:
        raise NoSUVError("the patient's weight is not in kilograms (PatientWeight)")
    isotope = _isotope(first)
    dose = _positive(isotope, "RadionuclideTotalDose", "the injected dose")
    if dose < _SMALLEST_DOSE:
        raise NoSUVError(f"a dose of {dose:g} Bq is none (written in MBq?)")
    if not _DOSES_PER_GRAM[0] <= dose / grams <= _DOSES_PER_GRAM[1]:
        raise NoSUVError(f"a dose of {dose:g} Bq in {grams / 1000:g} kg is none (another unit of dose or weight?)")
    if correction.to_injection:
        return grams / dose, f"{_FORMULA}, decay corrected to the injection ({correction.source})"
    half_life = _half_life(isotope)
    waited = wait(frames, isotope, half_life, correction.reference)
    return grams / (dose * 2 ** (-waited.seconds / half_life)), _told(correction, waited, half_life)


def _told(correction: _Correction, waited: Wait, half_life: float) -> str:
    return (
        f"{_FORMULA} x 2^(wait / half-life), decay corrected to the scan ({correction.source}), "
        f"wait {waited.text}, half-life {half_life:g} s"
    )


@dataclass(frozen=True)
class _Correction:
    """To what time values are corrected for decay.

    Attributes:
        to_injection: whether it is the time of injection.
        source: the attribute that says so.
        reference: the time itself, where the header tells it.
    """

    to_injection: bool
    source: str
    reference: clock.Moment | None = None


def _corrections(first: Dataset) -> set[str]:
    listed = first.get("CorrectedImage") or []
    return {listed} if isinstance(listed, str) else set(listed)


def _check_attenuation(first: Dataset) -> None:
    corrected = _corrections(first)
    if (corrected and "ATTN" not in corrected) or str(first.get("AttenuationCorrected") or "YES") != "YES":
        raise NoSUVError("it is not corrected for attenuation")


def _correction(first: Dataset) -> _Correction:
    """How the header says that values are corrected for decay and attenuation."""
    corrected = _corrections(first)
    kind, flag = str(first.get("DecayCorrection") or ""), str(first.get("DecayCorrected") or "")
    if (corrected and "DECY" not in corrected) or (flag and flag != "YES"):
        raise NoSUVError("it is not corrected for decay")
    reference = clock.moment(first.get("DecayCorrectionDateTime"), "DecayCorrectionDateTime", clock.zone_of(first))
    if reference is not None and kind in ("", "START"):
        return _Correction(False, "DecayCorrectionDateTime", reference)
    if kind not in ("START", "ADMIN"):
        raise NoSUVError("it is not corrected for decay, or does not say to what time")
    return _Correction(kind == "ADMIN", f"DecayCorrection {kind}")


def _isotope(first: Dataset) -> Dataset:
    """The item of the injected tracer.

    Raises:
        NoSUVError: if there is none, or there are several of different doses or times.
    """
    items = list(first.get("RadiopharmaceuticalInformationSequence") or [])
    if not items:
        raise NoSUVError("its header says nothing of the injected tracer")
    names = ("RadionuclideTotalDose", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime")
    if len({tuple(str(item.get(name) or "") for name in names) for item in items}) > 1:
        raise NoSUVError(f"its header names {len(items)} injections of different doses or times")
    found: Dataset = items[0]
    return found


def _half_life(isotope: Dataset) -> float:
    """Half-life in seconds.

    Raises:
        NoSUVError: if it is missing, or not that of the nuclide that the header names.
    """
    told, nuclide = number(isotope, "RadionuclideHalfLife"), nuclides.named(isotope)
    if nuclide and told > 0 and abs(told / nuclides.SECONDS[nuclide] - 1) > SAME_VALUE:
        raise NoSUVError(
            f"its header tells a half-life of {told:g} s (RadionuclideHalfLife), and that of its nuclide {nuclide} is "
            f"{nuclides.SECONDS[nuclide]:g} s"
        )
    return _positive(isotope, "RadionuclideHalfLife", "the half-life")


def _philips(frames: Sequence[Dataset]) -> tuple[float, str]:
    """Factor from counts: Philips' own to SUVbw (7053,1000), or its factor to Bq/ml (7053,1009) and the formula."""
    to_suv, to_activity = (_philips_factor(frames, element) for element in (0x00, 0x09))
    if not to_suv and not to_activity:
        raise NoSUVError("its values are counts, without the maker's factor to SUV")
    if not to_activity:
        return to_suv, "counts turned into SUVbw by the maker's factor (7053,1000)"
    try:
        factor, told = _by_formula(frames)
    except NoSUVError:
        if not to_suv:
            raise
        return to_suv, "counts turned into SUVbw by the maker's factor (7053,1000)"
    if not to_suv:
        return to_activity * factor, f"counts turned into Bq/ml by the maker's factor (7053,1009), then into {told}"
    if abs(to_activity * factor / to_suv - 1) > SAME_VALUE:
        raise NoSUVError(
            f"the maker's factor (7053,1000) makes SUV of {to_suv:g} per count, its factor to Bq/ml (7053,1009) with "
            f"dose, weight and times {to_activity * factor:g}"
        )
    return to_suv, "counts turned into SUVbw by the maker's factor (7053,1000), which the formula confirms"


def _philips_factor(frames: Sequence[Dataset], element: int) -> float:
    """A factor of Philips' private group of PET; 0 where it is missing, empty or zero.

    Raises:
        NoSUVError: if it changes from slice to slice.
    """
    told = {_private_number(frame, element) for frame in frames} - {0.0}
    if len(told) > 1 or any(factor < 0 for factor in told):
        raise NoSUVError(f"the maker's factor (7053,10{element:02X}) changes from slice to slice")
    return told.pop() if told else 0.0


def _private_number(dataset: Dataset, element: int) -> float:
    try:
        value: Any = dataset.private_block(0x7053, "Philips PET Private Group")[element].value
    except KeyError:
        # Those who take names out of headers often take the name of the private group too.
        value = dataset[0x7053, 0x1000 + element].value if (0x7053, 0x1000 + element) in dataset else None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0")
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0.0
    return found if np.isfinite(found) else 0.0


def _positive(holder: Dataset, keyword: str, what: str) -> float:
    found = number(holder, keyword)
    if not found > 0:
        raise NoSUVError(f"{what} is not in its header ({keyword})")
    return found
