"""SUV by situation: headers as scanners and archives write them, and what is right for each.

`python -m tests.io.dicom.situations` writes the table of docs/suv.md, which a test compares with this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from tests.io.makers import dicom_slice

ACTIVITY = np.random.default_rng(4).integers(0, 30000, (5, 6, 3)).astype(np.int16)
SLOPES = (0.5, 1.5, 2.5)
HALF_LIFE = 6586.2
ZIRCONIUM = 78.41 * 3600
DOSE = 3.7e8
KG = 70.0
DOC = Path(__file__).parents[3] / "docs" / "suv.md"

STANDARD = "DICOM PS3.3 C.8.9.1"
QIBA = "QIBA FDG-PET profile, appendix G"


def pet(index: int, **changes: Any) -> FileDataset:
    """Slice of a PET whose scan started an hour after the injection.

    `dose_` attributes go to the tracer, `ge_` and `philips_` ones to the makers' private groups.
    """
    made = dicom_slice(ACTIVITY[:, :, index].T, position=(0, 0, 4.0 * index), Modality="PT")
    made.RescaleSlope = SLOPES[index]
    made.Units, made.DecayCorrection, made.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
    made.PatientWeight = KG
    made.SeriesDate = made.AcquisitionDate = "20200229"
    made.SeriesTime, made.AcquisitionTime = "113000.00", f"11{30 + 2 * index}00"
    isotope = Dataset()
    isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = DOSE, HALF_LIFE
    isotope.RadiopharmaceuticalStartTime = "103000"
    made.RadiopharmaceuticalInformationSequence = [isotope]
    for keyword, value in changes.items():
        value = value[index] if isinstance(value, tuple) else value
        maker, _, rest = keyword.partition("_")
        if maker == "ge":
            made.add_new(0x00090010, "LO", "GEMS_PETD_01")
            made.add_new(0x00091000 + int(rest, 16), "DT", value)
        elif maker == "philips":
            made.add_new(0x70530010, "LO", "Philips PET Private Group")
            made.add_new(0x70531000 + int(rest, 16), "DS", value)
        elif maker == "dose":
            setattr(isotope, rest, value)
        else:
            setattr(made, keyword, value)
    return made


def series(folder: Path, **changes: Any) -> Path:
    """The three slices of `pet` in a folder."""
    folder.mkdir(exist_ok=True)
    for index in range(3):
        pet(index, **changes).save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


def expected(waited: float, half_life: float = HALF_LIFE) -> np.ndarray:
    """SUVbw of `series` when the tracer has decayed for so many seconds."""
    return ACTIVITY * np.array(SLOPES) * KG * 1000 / (DOSE * 2 ** (-waited / half_life))


@dataclass(frozen=True)
class Situation:
    """A header and what is right for it.

    Attributes:
        what: in words.
        changes: attributes that differ from `pet`.
        wait: minutes from the injection to the reference of the values, None where SUV are refused.
        says: part of the note, or of the reason.
        source: who says that it is right.
        factor: of the values as stored to Bq/ml.
        half_life: in seconds.
    """

    what: str
    changes: dict[str, Any]
    wait: float | None
    says: str
    source: str = STANDARD
    factor: float = 1.0
    half_life: float = HALF_LIFE

    @property
    def formula(self) -> str:
        """How the values come about, for the table."""
        if self.wait is None:
            return f"refused: {self.says}"
        counts = f"counts x {self.factor:g} x " if self.factor != 1 else "Bq/ml x "
        decay = f" x 2^({self.wait:g} min / {self.half_life / 60:.2f} min)" if self.wait else ""
        return f"{counts}70000 g / 3.7e8 Bq{decay}"


ZR = {"dose_RadionuclideHalfLife": ZIRCONIUM}
NO_TIME = {"dose_RadiopharmaceuticalStartTime": None}
NO_DATES = {"SeriesDate": "", "AcquisitionDate": "", "StudyDate": ""}
LATE = {"SeriesTime": "103500", "AcquisitionTime": "113000", "ActualFrameDuration": 60000}
DATE = "dose_RadiopharmaceuticalStartDateTime"
CLOCK = "dose_RadiopharmaceuticalStartTime"
FIRST = "taken for the time of processing"

SITUATIONS = [
    Situation("scan an hour after the injection", {}, 60, "SeriesTime 11:30:00"),
    Situation("corrected to the injection", {"DecayCorrection": "ADMIN"}, 0, "DecayCorrection ADMIN"),
    Situation(
        "injected the evening before midnight",
        {CLOCK: "233000", "SeriesTime": "003000", "AcquisitionTime": "003000"},
        60,
        "",
    ),
    Situation(
        "injection 10 s after the start", {CLOCK: "113010"}, -1 / 6, "started before the injection", "PET2BIDS #367"
    ),
    Situation(
        "injection after the scan", {CLOCK: "130000"}, None, "hours apart", "no scan shows a tracer that is not there"
    ),
    Situation(
        "dated injection in UTC, scan at +0200",
        {DATE: "20200229083000+0000", "TimezoneOffsetFromUTC": "+0200", **NO_TIME},
        60,
        "= 60.0 min",
        "DICOM PS3.5 6.2 (DT)",
    ),
    Situation(
        "dated injection and scan at +0200",
        {DATE: "20200229103000", "TimezoneOffsetFromUTC": "+0200"},
        60,
        "= 60.0 min",
        "DICOM PS3.3 C.12.1 (TimezoneOffsetFromUTC)",
    ),
    Situation(
        "injection in UTC on the day before, scan at +0900",
        {
            DATE: "20200228233000+0000",
            "TimezoneOffsetFromUTC": "+0900",
            "SeriesTime": "093000",
            "AcquisitionTime": "093000",
            **NO_TIME,
        },
        60,
        "",
        "DICOM PS3.5 6.2 (DT)",
    ),
    Situation(
        "injection in UTC, scan without offset, 180 min",
        {DATE: "20200229083000+0000", **NO_TIME},
        None,
        "only one of the two names its offset",
        "the offset may be missing on one side",
    ),
    Situation(
        "injection in UTC, scan without offset, its clock beside",
        {DATE: "20200229083000+0000"},
        60,
        "scanner's clock counts",
        "the time of day is the scanner's own",
    ),
    Situation(
        "two injection times an hour apart", {DATE: "20200229093000"}, None, "two times of injection", "no rule decides"
    ),
    Situation(
        "injection's date years off",
        {DATE: "20110305103000"},
        60,
        "date of injection cannot be",
        "de-identification moves dates",
    ),
    Situation(
        "injection's date a day off",
        {DATE: "20200228103000", **NO_TIME},
        60,
        "date of injection cannot be",
        "13 half-lives: nothing would be left",
    ),
    Situation("injection's date no date", {DATE: "20210229103000"}, 60, "RadiopharmaceuticalStartTime", "the calendar"),
    Situation(
        "injection's date without time",
        {DATE: "20200229000000"},
        60,
        "RadiopharmaceuticalStartDateTime 10:30:00",
        "de-identification takes times away",
    ),
    Situation(
        "zirconium-89, dated five days before",
        {**ZR, DATE: "20200224103000"},
        7260,
        "= 7260.0 min",
        "half-life 78.41 h",
        half_life=ZIRCONIUM,
    ),
    Situation(
        "zirconium-89, time of day only",
        ZR,
        None,
        "the day of injection counts",
        "half-life 78.41 h",
        half_life=ZIRCONIUM,
    ),
    Situation(
        "zirconium-89, impossible date",
        {**ZR, DATE: "20110305103000"},
        None,
        "date cannot be",
        "half-life 78.41 h",
        half_life=ZIRCONIUM,
    ),
    Situation(
        "copper-64, time of day only",
        {"dose_RadionuclideHalfLife": 45721},
        None,
        "the day of injection counts",
        "half-life 12.7 h",
        half_life=45721,
    ),
    Situation("series time of processing", {"SeriesTime": "150000"}, 60, FIRST, QIBA),
    Situation("series processed days later", {"SeriesDate": "20200303"}, 60, FIRST, QIBA),
    Situation(
        "undated acquisition, series time of processing",
        {"SeriesTime": "150000", "AcquisitionDate": ""},
        60,
        FIRST,
        QIBA,
    ),
    Situation("undated series", {"SeriesDate": ""}, 60, "SeriesTime 11:30:00", "the acquisition tells the date"),
    Situation(
        "undated acquisition after midnight",
        {
            CLOCK: "230000",
            "SeriesTime": "235900",
            "AcquisitionTime": ("235900", "000100", "000300"),
            "AcquisitionDate": "",
        },
        59,
        "SeriesTime 23:59:00",
    ),
    Situation("no dates at all", NO_DATES, 60, "times of day alone", "the day does not matter for fluorine-18"),
    Situation(
        "zirconium-89, no dates of the scan",
        {**ZR, **NO_DATES, DATE: "20200224103000"},
        None,
        "day of injection counts",
        "half-life 78.41 h",
        half_life=ZIRCONIUM,
    ),
    Situation(
        "series date years early",
        {"SeriesDate": "20110303"},
        60,
        "SeriesDate cannot be",
        "de-identification moves dates",
    ),
    Situation(
        "series time five minutes before the first acquisition",
        {"SeriesTime": "112500"},
        55,
        "SeriesTime 11:25:00",
        QIBA,
    ),
    Situation(
        "series an hour before the acquisition",
        {"SeriesTime": "103500"},
        None,
        "different starts of the scan",
        "no rule decides",
    ),
    Situation(
        "late frame of a dynamic scan",
        {**LATE, "FrameReferenceTime": 3330000.0},
        5,
        "FrameReferenceTime decides",
        f"{QIBA}; {STANDARD}",
    ),
    Situation(
        "late frame, series time of processing",
        {"SeriesTime": "150000", "ActualFrameDuration": 60000, "FrameReferenceTime": (3330000.0, 3450000.0, 3570000.0)},
        5,
        "the start by FrameReferenceTime",
        QIBA,
    ),
    Situation(
        "frame corrected to its own start",
        {**LATE, "DecayFactor": "1.00316"},
        60,
        "DecayFactor decides",
        "DICOM PS3.3 C.8.9.4",
    ),
    Situation(
        "frame corrected to the series' start",
        {**LATE, "DecayFactor": "1.41965"},
        5,
        "DecayFactor decides",
        "DICOM PS3.3 C.8.9.4",
    ),
    Situation(
        "GE's scan time where the series was processed",
        {"SeriesTime": "150000", "AcquisitionTime": "114500", "ge_0D": "20200229113000.00"},
        60,
        "GE's scan time",
        QIBA,
    ),
    Situation(
        "GE's scan time against the series'",
        {"ge_0D": "20200229103500.00"},
        None,
        "different starts",
        "no rule decides",
    ),
    Situation(
        "GE's injection time alone",
        {**NO_TIME, "ge_3B": "20200229103000.00"},
        60,
        "GE's injection time",
        "GE's conformance statement",
    ),
    Situation(
        "Philips' factor to SUV",
        {"Units": "CNTS", "philips_00": "0.0005", **NO_TIME},
        0,
        "(7053,1000)",
        "Philips' conformance statement",
        factor=0.0005 * DOSE / KG / 1000,
    ),
    Situation(
        "Philips' factor to Bq/ml",
        {"Units": "CNTS", "philips_09": "2.0"},
        60,
        "(7053,1009)",
        "Philips' conformance statement",
        factor=2.0,
    ),
    Situation(
        "Philips' factor to Bq/ml, that to SUV zero",
        {"Units": "CNTS", "philips_00": "0", "philips_09": "2.0"},
        60,
        "(7053,1009)",
        "Philips' conformance statement",
        factor=2.0,
    ),
    Situation(
        "Philips' factor to Bq/ml, that to SUV empty",
        {"Units": "CNTS", "philips_00": "", "philips_09": "2.0"},
        60,
        "(7053,1009)",
        "Philips' conformance statement",
        factor=2.0,
    ),
    Situation(
        "Philips' factors that disagree",
        {"Units": "CNTS", "philips_00": "0.0005", "philips_09": "2.0"},
        None,
        "its factor to Bq/ml",
        "no rule decides",
    ),
    Situation("counts without a factor", {"Units": "CNTS"}, None, "without the maker's factor", "no way to Bq/ml"),
    Situation("nothing of the tracer", {"RadiopharmaceuticalInformationSequence": []}, None, "injected tracer"),
    Situation("not corrected for decay", {"DecayCorrection": "NONE"}, None, "not corrected for decay"),
    Situation("a weight in grams", {"PatientWeight": 70000}, None, "not in kilograms", "the standard's unit is kg"),
]
"""More are in the tests of Enhanced PET and of what a header lacks."""


def table() -> str:
    """The situations as a table in Markdown."""
    head = "| situation | SUVbw of 10,000 | formula | reference |\n|---|---|---|---|\n"
    rows = []
    for case in SITUATIONS:
        value = ""
        if case.wait is not None:
            value = f"{1e4 * case.factor * KG * 1000 / DOSE * 2 ** (case.wait * 60 / case.half_life):.4g}"
        rows.append(f"| {case.what} | {value} | {case.formula} | {case.source} |")
    return head + "\n".join(rows) + "\n"


def main() -> None:
    """Writes the table into the page."""
    text = DOC.read_text(encoding="utf-8")
    start, _, rest = text.partition("<!-- table -->\n")
    _, _, end = rest.partition("<!-- end of table -->")
    DOC.write_text(f"{start}<!-- table -->\n{table()}<!-- end of table -->{end}", encoding="utf-8")


if __name__ == "__main__":
    main()
