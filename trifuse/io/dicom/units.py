"""Units of DICOM values: real-world values, and what the numbers of a PET are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

_PET_UNITS = {
    "Bq/ml": "BQML",
    "Bq/mL": "BQML",
    "kBq/ml": "KBQML",
    "kBq/mL": "KBQML",
    "{SUVbw}g/ml": "GML",
    "{SUVbw}g/mL": "GML",
    "g/ml": "GML",
    "{counts}": "CNTS",
    "{propcounts}/s": "PROPCPS",
}
"""UCUM codes of real-world values -> defined terms of the attribute Units (DICOM PS3.16 CID 84)."""


@dataclass(frozen=True)
class RealWorld:
    """How stored values become real-world values (DICOM PS3.3 C.7.6.16.2.11).

    Attributes:
        slope, intercept: of the straight line.
        table: values of the stored integers from `first` on, where there is no line.
        first: stored value of the table's first entry.
        unit: UCUM code, "1" where the values have none.
    """

    slope: float
    intercept: float
    table: NDArray[np.float64] | None
    first: int
    unit: str

    def of(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Real-world values of stored ones; values beside the table take its nearest entry."""
        if self.table is None:
            return stored.astype(np.float64) * self.slope + self.intercept
        return self.table[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)]


def real_world(header: Dataset) -> RealWorld | None:
    """The mapping to real-world values of a frame that has no other one: none, 1 and 0, or one without units.

    A series that names its units elsewhere (HU, the attribute Units of PET) keeps them.
    """
    if header.get("Units") or header.get("ModalityLUTSequence"):
        return None
    rescaled = (header.get("RescaleSlope"), header.get("RescaleIntercept"))
    plain = rescaled in ((None, None), (1, 0))
    if not plain and str(header.get("RescaleType") or "") != "US":
        return None
    return next((found for item in _items(header) if (found := _mapping(item)) is not None), None)


def activity_units(header: Dataset) -> str:
    """Units of a PET as the attribute of that name has them, or by its real-world values; "" where it names none."""
    told = str(header.get("Units") or "")
    if told:
        return told
    mapping = real_world(header)
    return _PET_UNITS.get(mapping.unit, mapping.unit) if mapping is not None else ""


_NAMES = {"BQML": "Bq/ml", "KBQML": "kBq/ml", "GML": "SUV"}
"""Units of an image by the defined term; those of a GML whose kind of SUV is another one are not named."""


def value_units(header: Dataset) -> str:
    """Units of native values as `Image.units` has them, "" where the header leaves them open."""
    if header.get("Modality") == "CT":
        mapping = real_world(header)
        in_hu = str(header.get("RescaleType") or "HU") == "HU" if mapping is None else mapping.unit == "[hnsf'U]"
        return "HU" if in_hu else ""
    if str(header.get("DoseUnits") or "") == "GY":
        return "Gy"
    units = activity_units(header)
    return "" if units == "GML" and str(header.get("SUVType") or "BW") != "BW" else _NAMES.get(units, "")


def _items(header: Dataset) -> list[Dataset]:
    """Real-world mappings, activity before other measures."""
    items = list(header.get("RealWorldValueMappingSequence") or [])
    return sorted(items, key=lambda item: _PET_UNITS.get(_unit(item)) not in ("BQML", "KBQML"))


def _mapping(item: Dataset) -> RealWorld | None:
    slope, intercept = item.get("RealWorldValueSlope"), item.get("RealWorldValueIntercept")
    if slope not in (None, "", 0):
        return RealWorld(float(slope), float(intercept or 0), None, 0, _unit(item))
    table, first = item.get("RealWorldValueLUTData"), item.get("RealWorldValueFirstValueMapped")
    if table and first is not None:
        return RealWorld(0, 0, np.atleast_1d(np.array(table, dtype=np.float64)), int(first), _unit(item))
    return None


def _unit(item: Dataset) -> str:
    codes = item.get("MeasurementUnitsCodeSequence") or []
    return str(codes[0].get("CodeValue") or "") if codes else ""
