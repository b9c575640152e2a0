"""Evaluates a whole folder of fused pictures: files are matched by name, without their suffix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse import engines
from trifuse.core.errors import InputError, TrifuseError
from trifuse.engines import Local
from trifuse.io import formats
from trifuse.io.many import read_all
from trifuse.metrics.images import evaluate


@dataclass(frozen=True)
class Measuring:
    """How pictures are measured; see `trifuse.evaluate`.

    Attributes:
        metrics: a preset or names.
        colour: "luma" or "rgb".
        windows: of the sources, see `trifuse.core.window.shown`.
        different_patients: whether headers may name different ones.
    """

    metrics: str | Sequence[str] = "core"
    colour: str = "luma"
    windows: tuple[str, ...] = ()
    different_patients: bool = False


@dataclass(frozen=True)
class Job:
    """One fused picture with what it is compared to."""

    name: str
    fused: Path
    sources: tuple[Path, ...]
    reference: Path | None
    how: Measuring
    mask: Path | None = None


def evaluate_folder(
    fused: Path,
    sources: Sequence[Path],
    reference: Path | None = None,
    how: Measuring = Measuring(),
    *,
    mask: Path | None = None,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """One row per fused picture: `case`, its scores, or `error` where it could not be measured.

    Args:
        fused: folder of fused pictures.
        sources: folders of sources, one per modality, whose files bear the same names.
        reference: folder of ground truths, likewise.
        how: metrics and options.
        mask: folder of masks, likewise.
        workers: processes.

    Raises:
        InputError: if a folder is missing or holds no image, or a fused picture has no partner in another folder.
    """
    pictures = images_in(fused)
    partners = [images_in(folder) for folder in sources]
    truths = images_in(reference) if reference is not None else {}
    masks = images_in(mask) if mask is not None else {}
    extra = [(folder, found) for folder, found in ((reference, truths), (mask, masks)) if folder is not None]
    for folder, found in [*zip(sources, partners, strict=True), *extra]:
        missing = sorted(set(pictures) - set(found))
        if missing:
            raise InputError(f"{folder}: no partner for {missing[0]} ({len(missing)} missing); name the files alike")
    jobs = [
        Job(name, path, tuple(found[name] for found in partners), truths.get(name), how, masks.get(name))
        for name, path in sorted(pictures.items())
    ]
    return engines.each(measure, jobs, Local(workers), "pictures")


def measure(job: Job) -> dict[str, Any]:
    """Scores of one picture, or its error."""
    try:
        how = job.how
        sources = read_all(job.sources, windows=how.windows)
        scores = evaluate(
            job.fused,
            sources,
            job.reference,
            how.metrics,
            colour=how.colour,
            mask=job.mask,
            different_patients=how.different_patients,
        )
    except TrifuseError as error:
        return {"case": job.name, "error": str(error)}
    return {"case": job.name, **scores}


def images_in(folder: Path) -> dict[str, Path]:
    """Name without suffix -> path of the images directly in a folder.

    Raises:
        InputError: if there is no such folder, it holds no image, or two images share a name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give folders for all, or files for all")
    found: dict[str, Path] = {}
    suffixes = formats.suffixes()
    for path in sorted(folder.iterdir()):
        suffix = next((s for s in suffixes if path.name.lower().endswith(s)), None)
        if suffix is None or not path.is_file():
            continue
        name = path.name[: -len(suffix)]
        if name in found:
            raise InputError(f"{folder}: {found[name].name} and {path.name} share a name; keep one of them")
        found[name] = path
    if not found:
        raise InputError(f"{folder}: holds no image ({', '.join(suffixes)})")
    return found
