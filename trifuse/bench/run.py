"""The run: every method on every case at every scale, in parallel, resumable.

Each (case, scale, method) ends in one small JSON file, written whole, with its scores or its error. A run that was
killed finds the files that are there and goes on with the rest; the tidy table is gathered from them at the end.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse import __version__, io, methods
from trifuse.bench import cases as bench_cases
from trifuse.bench import parallel
from trifuse.bench.cases import Case
from trifuse.bench.recipe import Entry, Recipe
from trifuse.errors import TrifuseError
from trifuse.evaluation import evaluate
from trifuse.fusion import Fused, fuse
from trifuse.image import Image


@dataclass(frozen=True)
class Job:
    """All methods of one case at one scale: they share the reading and the ground truth."""

    recipe: Recipe
    case: Case
    scale: int
    data: Path
    folder: Path
    entries: tuple[Entry, ...]


def run(recipe: Recipe, data: Path, folder: Path, *, workers: int = 1) -> list[dict[str, Any]]:
    """Runs what is not done yet and returns the tidy table: one row per method, case, scale, metric.

    Args:
        recipe: what to run.
        data: folder that the recipe's paths are relative to.
        folder: where results go; a run there goes on where it stopped.
        workers: processes; each uses one thread.

    Raises:
        TrifuseError: if the recipe names methods or cases that do not exist.
    """
    for entry in recipe.methods:
        if entry.method is not None:
            methods.get(entry.method)
    found = bench_cases.find(recipe.cases, data)
    parallel.each(work, list(_jobs(recipe, found, data, folder)), workers, "cases")
    return gather(recipe, found, folder)


def _jobs(recipe: Recipe, found: list[Case], data: Path, folder: Path) -> Iterator[Job]:
    for case in found:
        for scale in recipe.scales:
            entries = tuple(e for e in recipe.methods if not is_done(recipe, e, folder, case.name, scale))
            if entries:
                yield Job(recipe, case, scale, data, folder, entries)


def work(job: Job) -> None:
    """Does one job; a method that fails is recorded and does not stop the others."""
    try:
        full = bench_cases.sources(job.case, job.recipe.cases.prepare)
        inputs = [bench_cases.smaller(image, job.scale) for image in full]
        truth = None if job.recipe.truth is None else fuse(full, job.recipe.truth, seed=job.recipe.seed).image
        _save_picture(job, "truth", truth)
        for number, image in enumerate(full, start=1):
            _save_picture(job, f"source {number}", image)
    except TrifuseError as error:
        for entry in job.entries:
            _record(job, entry, {"error": str(error)})
        return
    for entry in job.entries:
        _record(job, entry, _measured(job, entry, full, inputs, truth))


def _measured(job: Job, entry: Entry, full: list[Image], inputs: list[Image], truth: Image | None) -> dict[str, Any]:
    clock = time.perf_counter()
    try:
        fused = _fused(job, entry, inputs)
        seconds = time.perf_counter() - clock
        scores = evaluate(fused.image, sources=full, reference=truth, metrics=job.recipe.metrics)
        _save_picture(job, entry.label, fused.image)
    except TrifuseError as error:
        return {"error": str(error)}
    except Exception:
        return {"error": traceback.format_exc(limit=-1).strip().splitlines()[-1], "traceback": traceback.format_exc()}
    return {"scores": scores, "seconds": round(seconds, 4), "provenance": fused.provenance}


def _fused(job: Job, entry: Entry, inputs: list[Image]) -> Fused:
    if entry.pictures is not None:
        path = job.data / entry.pictures.format(case=job.case.name, scale=job.scale)
        picture = bench_cases.prepared(io.read(path), job.recipe.cases.prepare)
        return Fused(picture, None, {"picture": entry.pictures})
    return fuse(
        inputs,
        str(entry.method),
        scale=job.scale,
        samples=entry.samples,
        seed=job.recipe.seed,
        upsampler=entry.upsampler,
        upsample=entry.upsample,
        options=entry.options,
    )


def record_path(folder: Path, label: str, case: str, scale: int) -> Path:
    """Where the result of a method on a case at a scale is kept."""
    return folder / "records" / f"{_safe(label)}" / f"{_safe(case)}-x{scale}.json"


def picture_path(folder: Path, label: str, case: str, scale: int) -> Path:
    """Where the picture of a method (or a source, or the ground truth) on a case at a scale is kept."""
    return folder / "pictures" / f"{_safe(case)}-x{scale}" / f"{_safe(label)}.png"


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.+" else "_" for c in name)


def is_done(recipe: Recipe, entry: Entry, folder: Path, case: str, scale: int) -> bool:
    """Whether a result is there, made by the same recipe and version, and not a failure."""
    path = record_path(folder, entry.label, case, scale)
    if not path.is_file():
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    same = record.get("digest") == recipe.digest(entry) and record.get("trifuse") == __version__
    return bool(same and "scores" in record)


def _record(job: Job, entry: Entry, result: dict[str, Any]) -> None:
    record = {
        "digest": job.recipe.digest(entry),
        "trifuse": __version__,
        "label": entry.label,
        "case": job.case.name,
        "patient": job.case.patient,
        "scale": job.scale,
        **result,
    }
    path = record_path(job.folder, entry.label, job.case.name, job.scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_text(path, json.dumps(record, indent=1))


def _save_picture(job: Job, label: str, image: Image | None) -> None:
    if image is None or image.dims != 2:
        return
    path = picture_path(job.folder, label, job.case.name, job.scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    bench_cases.to_pillow(image).save(temporary, format="PNG")
    os.replace(temporary, path)


def gather(recipe: Recipe, found: list[Case], folder: Path) -> list[dict[str, Any]]:
    """The tidy table of all results that are there; failures have an `error` and no value."""
    rows: list[dict[str, Any]] = []
    for entry in recipe.methods:
        for scale in recipe.scales:
            for case in found:
                path = record_path(folder, entry.label, case.name, scale)
                if path.is_file():
                    rows.extend(_rows(json.loads(path.read_text(encoding="utf-8"))))
    return rows


def _rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    provenance = record.get("provenance", {})
    common = {
        "method": record["label"],
        "case": record["case"],
        "patient": record["patient"],
        "scale": record["scale"],
        "version": record["trifuse"],
        "weights": provenance.get("weights", ""),
    }
    if "error" in record:
        yield {**common, "metric": "", "value": None, "error": record["error"]}
        return
    for metric, value in {**record["scores"], "seconds": record["seconds"]}.items():
        yield {**common, "metric": metric, "value": float(value), "error": ""}
