"""One image of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal["source", "fused", "uncertainty", "mask"]


@dataclass(frozen=True)
class Entry:
    """An image that the page shows.

    Attributes:
        key: its name in addresses.
        name: as people know it: a file's name, a series' description.
        path: what it was read from, and what a fusion reads again.
        values: raw numbers for the page.
        known: what is to be known of them (see `trifuse.view.values.described`).
        role: what it is to the others.
        chosen: series and frame, where the path holds several.
        suv: whether it was read as SUV.
        parents: keys of the sources that a result was made of.
        provenance: of a result.
        scores: metric -> value, of a result that was measured.
    """

    key: str
    name: str
    path: Path
    values: Path
    known: Mapping[str, Any]
    role: Role = "source"
    chosen: Mapping[str, str] = field(default_factory=dict)
    suv: bool = False
    parents: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """What the page gets: no path of this computer."""
        return {
            "key": self.key,
            "name": self.name,
            "role": self.role,
            "parents": list(self.parents),
            "method": (self.provenance or {}).get("method"),
            "scores": dict(self.scores),
            **self.known,
        }
