"""The run: every study of a list, in processes, resumable.

Every study ends in a folder of images that appears whole, and in one small record with what was done to it, or with its
error. A run that was stopped finds the records whose settings and files are unchanged and goes on with the rest; the
manifest is gathered from them at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse import engines, io
from trifuse.core.drafts import draft_of
from trifuse.core.errors import InputError, RegistrationWarning, TrifuseError, one_line
from trifuse.core.files import digest, write_text
from trifuse.core.image import Modality
from trifuse.core.replacing import claim
from trifuse.core.version import __version__
from trifuse.engines import Engine, Local
from trifuse.prepare import adni, manifest
from trifuse.prepare.settings import Register, Settings
from trifuse.prepare.studies import Study, listed


@dataclass(frozen=True)
class Prepared:
    """What a run left.

    Attributes:
        manifest: the table.
        rows: its rows, one per study that is there.
        codes: code of a study -> name of its folder, for the person at the screen; written nowhere.
        fresh: how many studies were worked on; the others were done before.
        failed: study -> why it is not.
        warnings: study -> what should be looked at.
    """

    manifest: Path
    rows: list[dict[str, str]]
    codes: dict[str, str]
    fresh: int
    failed: dict[str, str]
    warnings: dict[str, list[str]]


@dataclass(frozen=True)
class Job:
    """A study that is not done yet."""

    study: Study
    settings: Settings
    folder: Path
    digest: str


def prepare(
    studies: str | Path,
    output: str | Path,
    settings: Settings = Settings(),
    *,
    engine: Engine = Local(),
    images: str | Path | None = None,
    keep_names: bool = False,
    overwrite: bool = False,
) -> Prepared:
    """Prepares what is not done yet and writes `manifest.csv`, `images/STUDY/NAME.nii.gz` and `records/STUDY.json`.

    Args:
        studies: CSV or YAML list, or a folder of studies (see `studies.listed`).
        output: folder; a run there goes on where it stopped.
        settings: what to do.
        engine: where the studies are worked on.
        images: list of image numbers of an ADNI download, which `studies` then is; see `trifuse.prepare.adni`.
        keep_names: whether studies of a folder are called as their folders; see `studies.listed`.
        overwrite: whether files in the folder may be replaced that no run of this kind made.

    Returns:
        The manifest, and which studies failed.

    Raises:
        TrifuseError: if the list cannot be read, or the folder not be used. What is wrong with a single study
            does not stop the others.
    """
    output = Path(output)
    found = _found(Path(studies), None if images is None else Path(images), settings, keep_names)
    manifest.check(found)
    _check_spares(found, output / "images")
    claim(output, "prepare", "", [output / name for name in ("manifest.csv", "images", "records")], overwrite=overwrite)
    jobs = [Job(study, settings, output, _digest(study, settings)) for study in found]
    missing = [job for job in jobs if not is_done(job)]
    engines.each(work, missing, engine, "studies")
    records = [json.loads(_record_path(job).read_text(encoding="utf-8")) for job in jobs]
    good = [(study, record) for study, record in zip(found, records, strict=True) if "error" not in record]
    rows = manifest.rows(good, settings.val, settings.test)
    return Prepared(
        manifest=manifest.write(output / "manifest.csv", rows, _source_count(records)),
        rows=rows,
        codes={study.name: study.patient for study in found if study.coded},
        fresh=len(missing),
        failed={r["study"]: r["error"] for r in records if "error" in r},
        warnings={r["study"]: r["warnings"] for r in records if r.get("warnings")},
    )


def _found(studies: Path, images: Path | None, settings: Settings, keep_names: bool) -> list[Study]:
    if images is None:
        return listed(studies, settings.sources, keep_names=keep_names, series=settings.series)
    return adni.studies(studies, images, settings.sources or ("mr", "pet"), keep_names=keep_names)


def work(job: Job) -> None:
    """Does one study and records what came of it."""
    try:
        if job.study.error:
            raise InputError(job.study.error)
        record = _made(job)
    except TrifuseError as error:
        record = {"error": job.study.redacted(str(error).splitlines()[0])}
    except Exception as error:
        record = {
            "error": job.study.redacted(f"{type(error).__name__}: {error}"),
            "traceback": job.study.redacted(traceback.format_exc()),
        }
    head = {"study": job.study.name, "digest": job.digest, "trifuse": __version__}
    write_text(_record_path(job), json.dumps(head | record, indent=1))


def is_done(job: Job) -> bool:
    """Whether a study is there, made from the same files with the same settings and version."""
    try:
        record = json.loads(_record_path(job).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    same = record.get("digest") == job.digest and record.get("trifuse") == __version__
    there = all((job.folder / source["path"]).is_file() for source in record.get("sources", []))
    return bool(same and there and "error" not in record)


def _made(job: Job) -> dict[str, Any]:
    from trifuse.prepare.study import prepared

    register: Register = job.study.register or job.settings.register  # type: ignore[assignment]
    Settings(register=register)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegistrationWarning)  # recorded; the command reports it for all studies
        sources = prepared(job.study, job.settings, register)
    target = job.folder / "images" / job.study.name
    draft = draft_of(target)
    try:
        for source in sources:
            io.write(source.image, draft / f"{source.name}.nii.gz")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    modalities = [source.image.modality for source in sources]
    fits = [source.fit for source in sources if source.fit is not None]
    low = [s.name for s in sources if s.fit is not None and s.fit.doubtful]
    return {
        "kind": "/".join(
            source.name.upper() if modality is Modality.OTHER else modality.value
            for source, modality in zip(sources, modalities, strict=True)
        ),
        "functional": bool({Modality.PET, Modality.SPECT} & set(modalities)),
        "register": "/".join(fit.kind for fit in fits),
        "overlap": min(fit.overlap for fit in fits),
        "information": [fit.information[1] if fit.information else None for fit in fits],
        "moved_mm": max(fit.displacement[0] for fit in fits),
        "size": list(sources[0].image.space),
        "spacing_mm": list(sources[0].image.spacing),
        "warnings": [f"{name} hardly overlaps the reference: check that both show the same anatomy" for name in low],
        "sources": [
            {
                "name": source.name,
                "path": f"images/{job.study.name}/{source.name}.nii.gz",
                "modality": source.image.modality.value,
                "window": source.window,
                "notes": source.notes,
            }
            for source in sources
        ],
    }


def _check_spares(studies: Sequence[Study], images: Path) -> None:
    """Refuses studies whose files lie where the images go: whole folders are replaced there."""
    for study in studies:
        for path in study.sources.values():
            if images.resolve() in path.resolve().parents:
                raise InputError(
                    f"{one_line(path)}: lies in {one_line(images)}, which is written anew; choose another -o"
                )


def _record_path(job: Job) -> Path:
    return job.folder / "records" / f"{job.study.name}.json"


def _source_count(records: Sequence[dict[str, Any]]) -> int:
    return max((len(record.get("sources", [])) for record in records), default=0)


def _digest(study: Study, settings: Settings) -> str:
    """Cache key: a hash of all that decides how a study comes out, the contents of its files included."""
    what: list[object] = [settings.key(), study.register, study.error, __version__]
    what += [sorted(study.series.items()), sorted(study.frames.items())]
    what += [(name, digest(path) if path.exists() else "") for name, path in study.sources.items()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
