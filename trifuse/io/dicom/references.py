"""References from a derived object to the objects that it comes from."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trifuse.core.lineage import Instance

if TYPE_CHECKING:
    from pydicom import Dataset


REFERENCES = (
    "SourceImageSequence",
    "DerivationCodeSequence",
    "ReferencedSeriesSequence",
    "StudiesContainingOtherReferencedInstancesSequence",
)
"""Attributes that `refer` sets."""


def encoded(made: Dataset) -> dict[int, bytes]:
    """Tags of the references of an object, and their elements as they stand in a file (explicit, little endian)."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_data_element

    found = {}
    for name in REFERENCES:
        if name in made:
            stream = DicomBytesIO()
            stream.is_little_endian, stream.is_implicit_VR = True, False
            write_data_element(stream, made[name])
            found[int(made[name].tag)] = stream.getvalue()
    return found


def spliced(content: bytes, elements: Mapping[int, bytes]) -> bytes:
    """A file (explicit, little endian) with encoded elements put in their places.

    Hundreds of references to hundreds of sources take minutes when pydicom encodes them for every slice of a series.
    """
    place, done, parts, waiting = 132, 0, [], sorted(elements.items())
    while waiting and place + 12 <= len(content):
        group, number = struct.unpack_from("<HH", content, place)
        while waiting and group > 2 and waiting[0][0] < (group << 16 | number):
            parts += [content[done:place], waiting.pop(0)[1]]
            done = place
        long = content[place + 4 : place + 6] in _LONG
        length = struct.unpack_from("<I" if long else "<H", content, place + (8 if long else 6))[0]
        place += length + (12 if long else 8)
    return b"".join([*parts, content[done:]])


_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""Value representations with a length of four bytes (DICOM PS3.5 7.1.2)."""


def refer(made: Dataset, instances: Sequence[Instance]) -> None:
    """Source images, why they are referred to, and the series and studies that they are in."""
    made.SourceImageSequence = [_reference(instance, purpose=True) for instance in instances]
    made.DerivationCodeSequence = [code("113085", "DCM", "Spatial resampling")]
    by_study: dict[str, dict[str, list[Dataset]]] = {}
    for instance in instances:
        series = by_study.setdefault(instance.study, {})
        series.setdefault(instance.series, []).append(_reference(instance))
    for study, series in by_study.items():
        listed = [item(SeriesInstanceUID=uid, ReferencedInstanceSequence=held) for uid, held in series.items()]
        if study == made.StudyInstanceUID:
            made.ReferencedSeriesSequence = listed
        else:
            others = list(made.get("StudiesContainingOtherReferencedInstancesSequence") or [])
            other = item(StudyInstanceUID=study, ReferencedSeriesSequence=listed)
            made.StudiesContainingOtherReferencedInstancesSequence = [*others, other]


def _reference(instance: Instance, *, purpose: bool = False) -> Dataset:
    made = item(ReferencedSOPClassUID=instance.sop_class, ReferencedSOPInstanceUID=instance.uid)
    if purpose:
        made.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    return made


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A coded concept: its value, the scheme it is defined in, its meaning in words (PS3.3, 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def item(**attributes: Any) -> Dataset:
    """A sequence item with attributes by keyword."""
    from pydicom import Dataset as Item

    made = Item()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made
