"""What an image comes from: whose it is, and which DICOM objects. Held in memory alone, never printed or recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from trifuse.core.errors import InputError

_ATTRIBUTES = ("PatientID", "PatientName", "PatientBirthDate")


@dataclass(frozen=True)
class Instance:
    """A DICOM object: UIDs of its class, itself, its series and its study."""

    sop_class: str
    uid: str
    series: str
    study: str


@dataclass(frozen=True)
class Lineage:
    """What an image comes from.

    Attributes:
        patient: ID, name and birth date as the header has them, "" where it is silent; not shown by `repr`.
        instances: the objects.
        burned_in: what they say of names burned into the pixels: "YES", "NO" or "".
    """

    patient: tuple[str, str, str] = field(default=("", "", ""), repr=False)
    instances: tuple[Instance, ...] = field(default=(), repr=False)
    burned_in: str = ""


def check_one_patient(lineages: Sequence[Lineage | None], labels: Sequence[str] = ()) -> None:
    """Refuses sources of different patients, as far as headers tell.

    ID, name and birth date are compared where both have them, whatever their case and spacing.

    Args:
        lineages: of the images.
        labels: what messages call them, "source 1", "source 2", ... if not given.

    Raises:
        InputError: if one differs; the message says which attribute, not what it holds.
    """
    names = labels or [f"source {number}" for number, _ in enumerate(lineages, start=1)]
    told = [(name, lineage) for name, lineage in zip(names, lineages, strict=True) if lineage is not None]
    for place, (name, lineage) in enumerate(told):
        for other, before in told[:place]:
            pairs = zip(_ATTRIBUTES, lineage.patient, before.patient, strict=True)
            differing = [kind for kind, mine, its in pairs if _differ(kind, mine, its)]
            if differing:
                raise InputError(
                    f"{name} is of another patient than {other} by its header "
                    f"({', '.join(differing)}); give images of one patient, or say --different-patients "
                    "(different_patients=True in Python)"
                )


def joined(lineages: Sequence[Lineage | None]) -> Lineage | None:
    """What an image made of others comes from; the patient is the one that the first of them names."""
    known = [lineage for lineage in lineages if lineage is not None]
    if not known:
        return None
    said = {lineage.burned_in for lineage in known}
    burned_in = "YES" if "YES" in said else "NO" if said == {"NO"} and len(known) == len(lineages) else ""
    instances = tuple(dict.fromkeys(instance for lineage in known for instance in lineage.instances))
    return Lineage(next((x.patient for x in known if any(x.patient)), known[0].patient), instances, burned_in)


def _differ(kind: str, mine: str, its: str) -> bool:
    """Whether two headers say different things of a patient; "1970-01-02" is "19700102".

    Of names with several groups (alphabetic=ideographic=phonetic) those count that both have.
    """
    if kind == "PatientBirthDate":
        mine, its = ("".join(re.findall(r"\d", text)) for text in (mine, its))
    if kind != "PatientName":
        return bool(_plain(mine) and _plain(its)) and _plain(mine) != _plain(its)
    both = [(_plain(a), _plain(b)) for a, b in zip(mine.split("="), its.split("="), strict=False)]
    return any(a and b and a != b for a, b in both)


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s^=,]+", text)).strip().casefold()
