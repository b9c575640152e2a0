"""What the processes of a viewer do: fuse as a cohort does, measure, list the methods. Files to files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifuse.core.progress import listening

OFTEN = 0.15
"""Seconds between two reports of progress."""


@dataclass(frozen=True)
class Source:
    """A source of a task: what it is called in the case, where it lies, and which part of it is meant."""

    label: str
    path: Path
    chosen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fusion:
    """A fusion that the page asks for, in plain values.

    Attributes:
        name: of the case.
        sources: the reference first.
        folder: where result and record go.
        method: name.
        settings: of the run, by name.
        metrics: what the result is measured by; empty for nothing.
        units: "suv" or "native", as the sources are shown.
        progress: file for reports.
    """

    name: str
    sources: tuple[Source, ...]
    folder: Path
    method: str
    settings: Mapping[str, Any]
    metrics: str
    units: str
    progress: Path


@dataclass(frozen=True)
class Measurement:
    """Metrics that the page asks for: of a result, against sources, within a mask."""

    fused: Path
    sources: tuple[Source, ...]
    metrics: str
    mask: Path | None
    progress: Path


def fuse(asked: Fusion) -> dict[str, Any]:
    """Fuses one case exactly as a cohort does, and returns its record."""
    from trifuse.cohort.case import Case
    from trifuse.cohort.task import Job, work
    from trifuse.fusion.settings import Run

    case = Case(
        asked.name,
        {source.label: source.path for source in asked.sources},
        chosen={source.label: dict(source.chosen) for source in asked.sources},
        place="fused",
    )
    units: Any = asked.units
    job = Job(case, asked.folder, asked.method, Run(**asked.settings), asked.metrics, sheet=False, units=units)
    with _reported(asked.progress):
        return work(job)


def measure(asked: Measurement) -> dict[str, Any]:
    """Scores of a result; an error is one line under `error`."""
    from trifuse.core.errors import TrifuseError
    from trifuse.io.many import read_chosen
    from trifuse.metrics.images import evaluate

    try:
        with _reported(asked.progress):
            images = [read_chosen(s.path, {"series": None, "frame": None, **s.chosen})[0] for s in asked.sources]
            return {"scores": evaluate(asked.fused, images, metrics=asked.metrics, mask=asked.mask)}
    except TrifuseError as error:
        return {"error": str(error).splitlines()[0]}


def _reported(path: Path) -> Any:
    last = [0.0]

    def tell(label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - last[0] < OFTEN and done < total:
            return
        last[0] = now
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps({"label": label, "done": done, "total": total}), encoding="utf-8")
        os.replace(draft, path)

    return listening(tell)
