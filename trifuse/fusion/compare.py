"""Every suitable method on the same sources, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trifuse import methods
from trifuse.align import align
from trifuse.core.errors import TrifuseError, WeightsError
from trifuse.core.image import Image
from trifuse.core.lineage import check_one_patient
from trifuse.core.progress import track
from trifuse.core.window import shown
from trifuse.fusion.fused import Fused
from trifuse.fusion.route import fuse
from trifuse.fusion.settings import Run
from trifuse.metrics.images import evaluate


@dataclass(frozen=True)
class Comparison:
    """Results of several methods on one case.

    Attributes:
        sources: the sources on one grid.
        fused: method -> result.
        scores: method -> metric -> value.
        skipped: method -> why it did not take part (weights that are not there, sources it cannot take).
        failed: method -> what went wrong.
    """

    sources: list[Image]
    fused: dict[str, Fused]
    scores: dict[str, dict[str, float]]
    skipped: dict[str, str]
    failed: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One row per method: its name, its scores and the seconds it took."""
        return [
            {"method": name, **scores, "seconds": self.fused[name].provenance["seconds"]["fuse"]}
            for name, scores in self.scores.items()
        ]


def compare(
    sources: Sequence[Any],
    names: Sequence[str] | None = None,
    *,
    metrics: str | Sequence[str] = "core",
    run: Run | None = None,
    **settings: Any,
) -> Comparison:
    """Fuses the same sources by several methods and measures each result against the sources.

    Args:
        sources: see `trifuse.fuse`.
        names: methods; all if None, where those that lack weights or cannot take the sources are skipped.
        metrics: a preset or names of metrics.
        run: how they are fused; sources are brought onto one grid once for all methods.
        settings: fields of `Run` by name, instead of `run` or to change it.

    Raises:
        TrifuseError: if the sources cannot be used, or a method named by the caller does not exist.
    """
    how = (run or Run()).changed(**settings)
    for name in names or ():
        methods.get(name)
    images = shown([Image.of(source) for source in sources], how.window)
    if not how.different_patients:
        check_one_patient([image.lineage for image in images])
    aligned = align(images, reference=how.reference, register=how.register).images
    done = Comparison(aligned, {}, {}, {}, {})
    for name in track(list(names or methods.names()), "methods"):
        try:
            fused = fuse(aligned, name, run=how.changed(register="none", window=()))
            done.scores[name] = evaluate(fused, sources=aligned, metrics=metrics)
            done.fused[name] = fused
        except WeightsError as error:
            done.skipped[name] = str(error)
        except TrifuseError as error:
            (done.failed if names else done.skipped)[name] = str(error)
    return done
