"""One case of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """Images of one patient that are fused.

    Attributes:
        name: of the case; results lie in a folder called like it.
        sources: modality -> file or DICOM folder, the reference first.
        chosen: modality -> "series" and "frame" of its file or folder, where it holds several.
        mask: of a lesion, on the grid of the result; None where there is none.
        reference: a ground truth, likewise.
        settings: `method` and fields of `Run` that hold for this case alone, as text.
        place: where its results go, below the cohort's folder, and how they begin; NAME/fused if None.
        error: why its images could not be found; empty if they were.
    """

    name: str
    sources: Mapping[str, Path] = field(default_factory=dict)
    mask: Path | None = None
    reference: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    place: str | None = None
    error: str = ""
