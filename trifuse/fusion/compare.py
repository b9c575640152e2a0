"""Every suitable method on the same sources, side by side."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from trifuse import methods, report
from trifuse.align import align
from trifuse.core.cells import csv_cell
from trifuse.core.errors import TrifuseError, WeightsError
from trifuse.core.extras import need
from trifuse.core.files import plain, write_text
from trifuse.core.finite import finite_notes
from trifuse.core.image import Image
from trifuse.core.lineage import check_one_patient
from trifuse.core.progress import track
from trifuse.core.replacing import claim
from trifuse.core.window import shown
from trifuse.fusion import route, saving, uptake
from trifuse.fusion.fused import Fused
from trifuse.fusion.route import fuse
from trifuse.fusion.settings import Run, takes_settings
from trifuse.metrics import get as metric
from trifuse.metrics.images import evaluate
from trifuse.report.tables import Direction

SLOW = 5.0
"""Seconds from which a method is said to take long."""


@dataclass(frozen=True)
class Comparison:
    """Results of several methods on one case.

    Attributes:
        sources: the sources on one grid.
        fused: method -> result.
        scores: method -> metric -> value.
        skipped: method -> why it did not take part (weights that are not there, sources it cannot take).
        failed: method -> what went wrong.
        notes: what is to be said of the sources, whatever fuses them.
        key: hash of the sources and of how they are fused, which tells one comparison from another.
    """

    sources: list[Image]
    fused: dict[str, Fused]
    scores: dict[str, dict[str, float]]
    skipped: dict[str, str]
    failed: dict[str, str]
    notes: tuple[str, ...] = ()
    key: str = ""

    def save(self, folder: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
        """Writes the fused images (PNG, volumes NIfTI), a contact sheet and the table of metrics as CSV and Markdown.

        Args:
            folder: made if it is not there; images are called like their methods.
            overwrite: whether files may be replaced that are no part of a comparison of the same sources.

        Returns:
            Where the "contact sheet" and the "metrics" are.

        Raises:
            ExtraError: if matplotlib is not installed.
            InputError: if the folder cannot be written to, or holds something else.
        """
        need("plot", "a comparison", "matplotlib")
        folder = Path(folder)
        claim(folder, "compare", self.key, outputs_of(folder), overwrite=overwrite)
        for name, fused in self.fused.items():
            _keep(folder, name, fused)
        named = report.source_labels([source.modality for source in self.sources])
        panels: list[tuple[str, Any]] = [*zip(named, self.sources, strict=True), *self.fused.items()]
        sheet = report.contact_sheet(panels, folder / "contact-sheet.png", columns=max(3, len(named)))
        rows = self.rows()
        write_text(folder / "metrics.md", report.metrics_table(rows, directions=_directions(rows)))
        return {"contact sheet": sheet, "metrics": write_text(folder / "metrics.csv", _csv(rows))}

    def rows(self) -> list[dict[str, Any]]:
        """One row per method: its name, its scores and the seconds it took."""
        return [
            {"method": name, **scores, "seconds": self.fused[name].provenance["seconds"]["fuse"]}
            for name, scores in self.scores.items()
        ]


@takes_settings
def compare(
    sources: Sequence[Any],
    names: Sequence[str] | None = None,
    *,
    metrics: str | Sequence[str] = "core",
    mask: Any = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    run: Run | None = None,
    **settings: Any,
) -> Comparison:
    """Fuses the same sources by several methods and measures each result against the sources.

    Args:
        sources: see `trifuse.fuse`.
        names: methods; all if None, where those that lack weights or cannot take the sources are skipped.
        metrics: a preset or names of metrics.
        mask: of a lesion, or of the pixels that count; see `trifuse.evaluate`.
        folder: where each picture is written as it comes; `Comparison.save` writes the rest.
        overwrite: whether files may be replaced there that are no part of a comparison of the same sources.
        run: how they are fused; sources are brought onto one grid once for all methods.
        settings: fields of `Run` by name, instead of `run` or to change it.

    Raises:
        TrifuseError: if the sources cannot be used, or a method named by the caller does not exist.
    """
    how = (run or Run()).changed(**settings)
    for name in names or ():
        methods.get(name)
    images = shown(Image.all_of(sources, range=how.range), how.window)
    if not how.different_patients:
        check_one_patient([image.lineage for image in images])
    aligned = align(images, reference=how.reference, register=how.register).images
    done = Comparison(aligned, {}, {}, {}, {}, tuple(finite_notes(images)), key_of(sources, how))
    if how.colour != "luma" and len(uptake.plan(aligned, how, methods.get("mean").card).structures) < 2:
        how = how.changed(colour="luma")  # else all methods would show the one structure
    if folder is not None:
        claim(Path(folder), "compare", done.key, outputs_of(Path(folder)), overwrite=overwrite)
    for name in track(list(names or methods.names()), "methods"):
        try:
            fused = fuse(aligned, name, run=how.changed(register="none", window=()))
            twin = _twin(fused, done.fused)
            if twin is not None:
                done.skipped[name] = f"its picture is that of {twin}, to the last pixel"
                continue
            fused.provenance["notes"] = list(dict.fromkeys([*done.notes, *fused.provenance["notes"]]))
            done.scores[name] = evaluate(fused, sources=aligned, metrics=metrics, mask=mask)
            done.fused[name] = fused
            if folder is not None:
                _keep(Path(folder), name, fused)
        except WeightsError as error:
            done.skipped[name] = str(error)
        except TrifuseError as error:
            (done.failed if names else done.skipped)[name] = str(error)
    return done


def slow(names: Sequence[str] | None, images: Sequence[Image], run: Run) -> list[str]:
    """Methods that will take long for these images, with the time, such as "cddfuse (about 20 s)"; all if None.

    By what their cards say of one core: an order of magnitude.
    """
    megapixels = prod(images[0].space) * run.scale ** images[0].dims / 1e6
    found = []
    for name in names or methods.names():
        seconds = methods.get(name).card.cost.seconds * megapixels * max(1, len(images) - 1)
        if seconds >= SLOW:
            found.append(
                f"{name} (about {seconds:.0f} s)" if seconds < 100 else f"{name} (about {seconds / 60:.0f} min)"
            )
    return found


def _keep(folder: Path, name: str, fused: Fused) -> None:
    fused.save(folder / f"{name}{'.nii.gz' if fused.image.dims == 3 else '.png'}", overwrite=True)


def key_of(sources: Sequence[Any], run: Run) -> str:
    """Hash of the sources and of how they are fused, whatever the methods."""
    told = route.told(sources, "mean", run)
    return hashlib.sha256(json.dumps(plain(told), sort_keys=True).encode()).hexdigest()[:16]


def outputs_of(folder: Path) -> list[Path]:
    """What a comparison may write into a folder."""
    pictures = [folder / f"{name}{suffix}" for name in methods.names() for suffix in (".nii.gz", ".png")]
    records = [saving.provenance_path(picture) for picture in pictures]
    uncertain = [path for picture in pictures for path in saving.uncertainty_paths(picture)]
    tables = [folder / name for name in ("contact-sheet.png", "metrics.md", "metrics.csv")]
    return [*pictures, *records, *uncertain, *tables]


def _directions(rows: Sequence[Mapping[str, Any]]) -> dict[str, Direction]:
    """Which columns of a table of metrics are better high, and which low."""
    cards = (
        {name: metric(name.removesuffix(":masked")).card for name in rows[0] if name not in ("method", "seconds")}
        if rows
        else {}
    )
    words: dict[str, Direction] = {"high": "higher", "low": "lower"}
    return {name: words[card.direction] for name, card in cards.items() if card.direction in words}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of metrics as CSV."""
    out = StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _twin(fused: Fused, others: Mapping[str, Fused]) -> str | None:
    """Whose picture is the same, as TFS-Diff's without magnification is the analytic fusion's."""
    for name, other in others.items():
        if np.array_equal(fused.image.pixels, other.image.pixels):
            return name
    return None
