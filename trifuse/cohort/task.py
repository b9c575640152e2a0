"""One case of a cohort: a pure task from files to files, whose record is written last."""

from __future__ import annotations

import hashlib
import json
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from trifuse import io
from trifuse.align import align
from trifuse.cohort import bids
from trifuse.cohort.case import Case
from trifuse.cohort.settings import from_text
from trifuse.core.errors import InputError, RegistrationWarning, TrifuseError
from trifuse.core.files import digest, safe_name, write_text
from trifuse.core.finite import finite_notes
from trifuse.core.image import Image, Modality, guess_modality
from trifuse.core.version import __version__
from trifuse.fusion import Fused, fuse, memory, saving
from trifuse.fusion.settings import Run
from trifuse.io.many import Choices
from trifuse.io.request import Units
from trifuse.methods import get
from trifuse.methods.base import configure
from trifuse.metrics.images import evaluate

RECORDS = "records"
"""Folder of the records, one small file for each case."""


@dataclass(frozen=True)
class Job:
    """A case and what is done to it.

    Attributes:
        case: the images.
        folder: of the cohort's results.
        method: name of the method.
        run: how the sources are fused.
        metrics: a preset or names to measure the result by; empty for none.
        sheet: whether to draw sources and result side by side.
        format: end of the result's name, such as ".nii.gz"; None for .png of pictures and .nii.gz of volumes.
        units: of PET from DICOM, "native" or "suv".
        choices: which series and frames of the sources.
    """

    case: Case
    folder: Path
    method: str
    run: Run
    metrics: str | tuple[str, ...] = ()
    sheet: bool = True
    format: str | None = None
    units: Units = "native"
    choices: Choices = field(default_factory=Choices)

    @property
    def stem(self) -> Path:
        """What the names of the results begin with."""
        place = self.case.place or f"{safe_folder(self.case.name)}/fused"
        return self.folder / place

    def outputs(self) -> list[Path]:
        """What may be written of it beside its record."""
        results = [self.stem.with_name(self.stem.name + end) for end in _ends(self.format)]
        sheet = self.stem.with_name(self.stem.name + "-sheet.png")
        beside = [path for each in results for path in (saving.provenance_path(each), *saving.uncertainty_paths(each))]
        return [*results, *beside, sheet]

    @property
    def record(self) -> Path:
        """Where the record lies."""
        return self.folder / RECORDS / f"{safe_name(self.case.name)}.json"

    def key(self) -> str:
        """Hash of what decides the result: what the files hold, the settings, the version.

        Raises:
            InputError: if a file is missing or cannot be read.
        """
        paths = [*self.case.sources.values(), *(p for p in (self.case.mask, self.case.reference) if p is not None)]
        settings = {**asdict(self.run), "options": dict(self.run.options), "workers": 0, "device": "", "memory": ""}
        parts = [
            [list(self.case.sources), [digest(path) for path in paths], self.case.error, self.units],
            [{name: dict(own) for name, own in self.case.chosen.items()}, asdict(self.choices)],
            [self.method, settings, dict(self.case.settings), self.metrics, self.sheet, self.format, __version__],
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def is_done(self) -> bool:
        """Whether its results are there, made from the same files with the same settings."""
        try:
            known = json.loads(self.record.read_text(encoding="utf-8"))
            there = all((self.folder / path).exists() for path in known.get("written", {}).values())
            return bool("error" not in known and there and known.get("key") == self.key())
        except (OSError, ValueError, RecursionError, AttributeError, InputError):
            return False


def _ends(given: str | None) -> tuple[str, ...]:
    """Ends of the names that a result may have."""
    return (".png", ".nii.gz") if given is None else (given,)


def safe_folder(name: str) -> str:
    """The name of a case as a folder, unchanged where it can be one."""
    kept = "".join(c if c.isalnum() or c in "-_.+" else "_" for c in name)
    return kept if kept == name and not name.startswith(".") and len(name) <= 100 else safe_name(name)


def work(job: Job) -> dict[str, Any]:
    """Fuses a case and records what came of it; an error of its own is recorded and stops no other."""
    if job.is_done():  # an engine lost the answer with its worker, and tries again
        known: dict[str, Any] = json.loads(job.record.read_text(encoding="utf-8"))
        return known
    head = {"case": job.case.name, "trifuse": __version__, "method": job.method}
    try:
        record = head | {"key": job.key()} | _made(job)
    except TrifuseError as error:
        record = head | {"error": str(error).splitlines()[0]}
    except Exception as error:
        record = head | {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    write_text(job.record, json.dumps(record, indent=1))
    return record


def _made(job: Job) -> dict[str, Any]:
    if job.case.error:
        raise InputError(job.case.error)
    method, run = of_case(job)
    images = [_read(name, job) for name in job.case.sources]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegistrationWarning)  # recorded, and told by the command for all cases
        aligned = align(images, reference=run.reference, register=run.register)
        fused = _noted(
            fuse(aligned.images, method, run=run.changed(register="none")), [*finite_notes(images), *aligned.notes], run
        )
    written = _written(job, fused, aligned.images)
    scores, left_out = _scores(job, fused, aligned.images)
    return {
        "written": {kind: path.relative_to(job.folder).as_posix() for kind, path in written.items()},
        "scores": scores,
        "overlap": min((fit.overlap for fit in aligned.fits), default=None),
        "moved_mm": max((fit.moved_mm for fit in aligned.fits), default=None),
        "doubtful": any(fit.doubtful for fit in aligned.fits),
        "seconds": sum(fused.provenance["seconds"].values()),
        "notes": [*fused.provenance["notes"], *left_out],
        "size": list(fused.image.space),
    }


def of_case(job: Job) -> tuple[str, Run]:
    """Method and settings of a case: the cohort's, and what its own row says.

    Raises:
        OptionError: if the row has a value that is not known.
    """
    own = dict(job.case.settings)
    method = own.pop("method", job.method)
    return method, job.run.changed(**from_text(own))


def peak_of(job: Job) -> int:
    """Bytes that fusing a case takes at its peak, as its method states them.

    Raises:
        TrifuseError: if its images cannot be read, or cannot be fused.
    """
    method, run = of_case(job)
    images = [_read(name, job) for name in job.case.sources]
    return memory.plan(configure(get(method), run.options), images, run).peak


def _read(name: str, job: Job) -> Image:
    names, own = list(job.case.sources), job.case.chosen.get(name, {})
    image = job.choices.read(job.case.sources[name], name, names, own, job.units)
    meant = guess_modality(Path(name))
    known = image.modality is not Modality.OTHER or meant is Modality.OTHER
    return image if known else replace(image, modality=meant)


def _noted(fused: Fused, notes: Sequence[str], run: Run) -> Fused:
    """The result with what is to be said of the sources, and how they were brought together, in its provenance."""
    fused.provenance["notes"] = list(dict.fromkeys([*notes, *fused.provenance["notes"]]))
    fused.provenance["settings"]["register"] = run.register
    return fused


def _written(job: Job, fused: Fused, sources: Sequence[Image]) -> dict[str, Path]:
    suffix = job.format or (".png" if fused.image.dims == 2 else ".nii.gz")
    target = job.stem.with_name(job.stem.name + suffix)
    written = saving.write(fused, target, overwrite=True)
    if job.case.place:
        written["sidecar"] = bids.sidecar(target, job.case.sources.values(), job.method)
    if job.sheet:
        from trifuse import report

        labels = report.source_labels([source.modality for source in sources])
        panels = [*zip(labels, sources, strict=True), ("fused", fused)]
        written["sheet"] = report.contact_sheet(panels, job.stem.with_name(job.stem.name + "-sheet.png"))
    return written


def _scores(job: Job, fused: Fused, sources: Sequence[Image]) -> tuple[Mapping[str, float], list[str]]:
    """What is measured of a result, and what was left out, for the record: said for each case it would fill screens."""
    if not job.metrics:
        return {}, []
    mask = None if job.case.mask is None else io.read(job.case.mask).native()[0] > 0
    empty = mask is not None and not mask.any()
    reference = None if job.case.reference is None else io.read(job.case.reference)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scores = evaluate(fused, sources, reference, job.metrics, mask=None if empty else mask)
    notes = [str(each.message) for each in told]
    return scores, ["its mask is empty: nothing is measured within it", *notes] if empty else notes
