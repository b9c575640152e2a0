"""Half-lives of the nuclides of PET, by which a header is checked that names one.

Source: Laboratoire National Henri Becquerel, table of radionuclides (half-lives); DICOM PS3.16 CID 4020 (their names).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

SECONDS = {
    "C-11": 1221.7,
    "N-13": 597.9,
    "O-15": 122.27,
    "F-18": 6586.2,
    "Sc-44": 14551,
    "Cu-62": 580.3,
    "Cu-64": 45723,
    "Ga-68": 4070,
    "Rb-82": 76.4,
    "Zr-89": 282280,
    "I-124": 360806,
}
"""Half-life by nuclide."""

_ELEMENTS = {
    "carbon": "C",
    "nitrogen": "N",
    "oxygen": "O",
    "fluorine": "F",
    "scandium": "Sc",
    "copper": "Cu",
    "gallium": "Ga",
    "rubidium": "Rb",
    "zirconium": "Zr",
    "iodine": "I",
}

_NAMES = "|".join([*_ELEMENTS, *dict.fromkeys(name.partition("-")[0].lower() for name in SECONDS)])
_ONE = re.compile(rf"(?<![a-z0-9])(?:(\d+)[\s-]?({_NAMES})|({_NAMES})[\s-]?(\d+))(?![a-z0-9])")


def named(isotope: Dataset) -> str:
    """The nuclide that the item of a tracer names, such as "F-18"; "" where it names none or one that is not known."""
    codes = isotope.get("RadionuclideCodeSequence") or []
    texts = [str(code.get("CodeMeaning") or "") for code in codes] + [str(isotope.get("Radiopharmaceutical") or "")]
    for text in texts:
        for before, element, other, after in _ONE.findall(text.lower().replace("^", "")):
            name = element or other
            found = f"{_ELEMENTS.get(name, name.capitalize())}-{before or after}"
            if found in SECONDS:
                return found
    return ""
