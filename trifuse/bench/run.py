"""The run: every method on every case at every scale, in parallel, resumable.

Each (case, scale, method) ends in one small JSON file, written whole, with its scores or its error. A run that was
killed finds the files that are there and goes on with the rest; the tidy table is gathered from them at the end.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse import engines, methods
from trifuse.bench import cache_keys
from trifuse.bench import cases as bench_cases
from trifuse.bench.cases import Case
from trifuse.bench.recipe import Entry, Recipe
from trifuse.bench.shared import Magnification, Study, pictures
from trifuse.core.errors import InputError, TrifuseError, WeightsError
from trifuse.core.files import publish, safe_name, write_text
from trifuse.core.image import Image
from trifuse.core.replacing import claim
from trifuse.core.version import __version__
from trifuse.engines import Engine, Local
from trifuse.fusion import memory
from trifuse.methods.base import configure

_TABLES = ("index.html", "table.md", "table.tex", "results.csv", "summary.csv", "calibration.csv")
OUTPUTS = ("records", "pictures", "plots", *_TABLES)
"""What a run writes into its folder."""

LEFT_OUT = "left out"
"""What a record holds instead of scores or an error where a row lacks its weights."""


@dataclass(frozen=True)
class Job:
    """What is to be done for one case: the rows of each scale, and the cache keys of the rows."""

    recipe: Recipe
    case: Case
    data: Path
    folder: Path
    rows: dict[int, tuple[Entry, ...]]
    keys: dict[str, str]


def run(
    recipe: Recipe, data: Path, folder: Path, engine: Engine = Local(), *, overwrite: bool = False
) -> list[dict[str, Any]]:
    """Runs what is not done yet and returns the tidy table: one row per method, case, scale, metric.

    Args:
        recipe: what to run.
        data: folder that the recipe's paths are relative to.
        folder: where results go; a run there goes on where it stopped.
        engine: where the cases are worked on.
        overwrite: whether files in the folder may be replaced that a run of this recipe did not make.

    Raises:
        TrifuseError: if the recipe names methods or cases that do not exist, or the folder holds something else.
    """
    for entry in recipe.methods:
        if entry.method is not None:
            methods.get(entry.method)
    found = bench_cases.find(recipe.cases, data)
    claim(folder, "bench", recipe.name, [folder / name for name in OUTPUTS], overwrite=overwrite)
    jobs = list(_jobs(recipe, found, data, folder))
    engines.each(work, jobs, memory.fitted(engine, lambda: _peak(jobs[0])) if jobs else engine, "cases")
    return gather(recipe, found, folder)


def _peak(job: Job) -> int:
    """Bytes that the largest row takes on a case: results are as large as the sources at any scale."""
    try:
        sources = bench_cases.sources(job.case, job.recipe.cases)
    except TrifuseError:  # which its record will say
        return 0
    rows = {e.label: e for entries in job.rows.values() for e in entries}.values()
    chosen = [(configure(methods.get(e.method), e.run.options), e.run) for e in rows if e.method is not None]
    return max((memory.plan(method, sources, run).peak for method, run in chosen), default=0)


def keys_of(recipe: Recipe, case: Case, data: Path) -> dict[str, str]:
    """Label -> cache key of the row on this case; empty texts where the case cannot be read."""
    try:
        of_case = cache_keys.of_case(case)
        rows = {e.label: cache_keys.of_row(recipe, e) for e in recipe.methods}
        rows |= {e.label: cache_keys.of_pictures(recipe, e, case, data) for e in recipe.methods if e.pictures}
    except InputError:
        return {entry.label: "" for entry in recipe.methods}
    return {label: f"{row}-{of_case}" for label, row in rows.items()}


def _jobs(recipe: Recipe, found: list[Case], data: Path, folder: Path) -> Iterator[Job]:
    for case in found:
        keys = keys_of(recipe, case, data)
        rows: dict[int, tuple[Entry, ...]] = {
            scale: tuple(e for e in recipe.methods if not is_done(keys[e.label], e, folder, case.name, scale))
            for scale in recipe.scales
        }
        if any(rows.values()):
            yield Job(recipe, case, data, folder, rows, keys)


def work(job: Job) -> None:
    """Does one job; a row that fails is recorded and does not stop the others."""
    try:
        study = Study(job.case, job.recipe, job.data)
        shown = pictures(study)
    except TrifuseError as error:
        for scale in job.rows:
            _record_all(job, scale, error)
        return
    for scale, entries in job.rows.items():
        for label, image in shown if entries else []:
            _save_picture(job, scale, label, image)
        try:
            at_scale = Magnification(study, scale)
        except TrifuseError as error:
            _record_all(job, scale, error)
            continue
        for entry in entries:
            _record(job, entry, scale, _result(job, entry, at_scale))


def _record_all(job: Job, scale: int, error: TrifuseError) -> None:
    for entry in job.rows[scale]:
        _record(job, entry, scale, {"error": str(error)})


def _result(job: Job, entry: Entry, at_scale: Magnification) -> dict[str, Any]:
    try:
        fused, seconds = at_scale.fused(entry)
        scores, left_out = at_scale.study.measure(fused)
        _save_picture(job, at_scale.scale, entry.label, fused.image)
    except WeightsError as error:
        return {LEFT_OUT: str(error)}
    except TrifuseError as error:
        return {"error": str(error)}
    except Exception:
        return {"error": traceback.format_exc(limit=-1).strip().splitlines()[-1], "traceback": traceback.format_exc()}
    made: dict[str, Any] = {"weights": cache_keys.of_weights(entry), "provenance": fused.provenance}
    made["notes"] = at_scale.study.notes(fused.image)
    made["sources"] = [image.modality.value for image in at_scale.study.full]
    return {"scores": scores, "seconds": round(seconds, 4), "unmeasured": left_out, **made}


def record_path(folder: Path, label: str, case: str, scale: int) -> Path:
    """Where the result of a method on a case at a scale is kept."""
    return folder / "records" / safe_name(label) / f"{safe_name(case)}-x{scale}.json"


def picture_path(folder: Path, label: str, case: str, scale: int) -> Path:
    """Where the picture of a method (or a source, or the ground truth) on a case at a scale is kept."""
    return folder / "pictures" / f"{safe_name(case)}-x{scale}" / f"{safe_name(label)}.png"


def is_done(key: str, entry: Entry, folder: Path, case: str, scale: int) -> bool:
    """Whether a result with this cache key is there, and neither a failure nor left out."""
    path = record_path(folder, entry.label, case, scale)
    if not path.is_file():
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and bool(key and record.get("key") == key and "scores" in record)


def _record(job: Job, entry: Entry, scale: int, result: dict[str, Any]) -> None:
    record = {
        "key": job.keys[entry.label],
        "trifuse": __version__,
        "label": entry.label,
        "case": job.case.name,
        "patient": job.case.patient,
        "scale": scale,
        **result,
    }
    path = record_path(job.folder, entry.label, job.case.name, scale)
    write_text(path, json.dumps(record, indent=1))


def _save_picture(job: Job, scale: int, label: str, image: Image | None) -> None:
    if image is None or image.dims != 2:
        return
    picture = bench_cases.to_pillow(image)
    path = picture_path(job.folder, label, job.case.name, scale)
    publish(path, lambda draft: picture.save(draft, format="PNG"), None)


def gather(recipe: Recipe, found: list[Case], folder: Path) -> list[dict[str, Any]]:
    """The tidy table of all results that are there.

    Failures have an `error` and no value, rows without weights and metrics without theirs a reason in `left_out`.
    """
    rows: list[dict[str, Any]] = []
    for entry in recipe.methods:
        for scale in recipe.scales:
            for case in found:
                path = record_path(folder, entry.label, case.name, scale)
                if path.is_file():
                    rows.extend(_rows(json.loads(path.read_text(encoding="utf-8"))))
    return rows


def _rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    weights = " ".join(f"{name}:{digest}" for name, digest in record.get("weights", {}).items())
    common = {
        "method": record["label"],
        "case": record["case"],
        "patient": record["patient"],
        "scale": record["scale"],
        "version": record["trifuse"],
        "weights": weights,
        "error": record.get("error", ""),
        "left_out": record.get(LEFT_OUT, ""),
        "notes": "; ".join(record.get("notes", ())),
        "sources": "/".join(record.get("sources", ())),
    }
    if "scores" not in record:
        yield {**common, "metric": "", "value": None}
        return
    for metric, value in {**record["scores"], "seconds": record["seconds"]}.items():
        yield {**common, "metric": metric, "value": float(value)}
    for reason in record.get("unmeasured", []):
        yield {**common, "metric": "", "value": None, "left_out": reason}
