"""What the rows of a benchmark share, made when the first of them asks: truth, small sources, enlarged sources."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trifuse import io, metrics
from trifuse.bench import cases as bench_cases
from trifuse.bench.calibration import PREFIX, calibrate
from trifuse.bench.cases import Case
from trifuse.bench.recipe import AS_PUBLISHED, Entry, Recipe
from trifuse.core.finite import finite_notes
from trifuse.core.image import Image
from trifuse.fusion.fused import Fused
from trifuse.fusion.route import enlarged, fuse
from trifuse.fusion.settings import Run
from trifuse.methods import get
from trifuse.metrics.evaluate import chosen
from trifuse.metrics.images import Evaluator
from trifuse.metrics.pixels import MetricWarning


class Timed(NamedTuple):
    """Images and the seconds that they took."""

    images: list[Image]
    seconds: float


class Measured(NamedTuple):
    """Scores of a fused picture by metric, and what could not be measured, in words."""

    scores: dict[str, float]
    left_out: list[str]


class Study:
    """A case: its sources, its ground truth, and what measures against both.

    Attributes:
        case: names and paths.
        recipe: what is run.
        data: folder that the recipe's paths are relative to.
        full: the sources at full resolution.
    """

    def __init__(self, case: Case, recipe: Recipe, data: Path) -> None:
        self.case, self.recipe, self.data = case, recipe, data
        self.full = bench_cases.sources(case, recipe.cases)

    def notes(self, fused: Image) -> list[str]:
        """What is to be said of the values of the sources, and of what a row made of them."""
        return finite_notes([*self.full, fused], [*(f"source {k}" for k in range(1, len(self.full) + 1)), "fused"])

    @cached_property
    def truth(self) -> Image | None:
        """The ground truth, or None if the recipe has none."""
        if self.recipe.truth is None:
            return None
        how = AS_PUBLISHED.changed(seed=self.recipe.seed, different_patients=True)
        return fuse(self.full, self.recipe.truth, run=how).image

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.full, self.truth)

    @cached_property
    def _own(self) -> dict[str, float]:
        """What the metrics of one image alone say of the ground truth."""
        alone = [name for name in chosen(self.recipe.metrics)[0] if metrics.get(name).card.kind == "image"]
        return Evaluator([], self.truth).measure(self.truth, alone) if alone and self.truth is not None else {}

    def measure(self, fused: Fused) -> Measured:
        """All metrics of the recipe; metrics of one image are compared with the truth's as `name:difference`."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MetricWarning)
            scores = self._scores(fused.image)
        scores |= {
            f"{name}:difference": abs(scores[name] - value) for name, value in self._own.items() if name in scores
        }
        said = (str(warning.message) for warning in caught if issubclass(warning.category, MetricWarning))
        left_out = [text.removeprefix("left out: ") for text in said if text.startswith("left out: ")]
        return Measured(scores | self._calibration(fused), list(dict.fromkeys(left_out)))

    @cached_property
    def _lesion(self) -> Image | None:
        """The case's mask; None if it has none, or nothing is in it."""
        image = None if self.case.mask is None else io.read(self.case.mask)
        return image if image is not None and image.native().any() else None

    def _scores(self, fused: Image) -> dict[str, float]:
        """The recipe's metrics, those of lesions under the case's mask and the others on the whole image."""
        wanted, mask = self.recipe.metrics, self._lesion
        if isinstance(wanted, str):
            return self._evaluator.measure(fused, wanted, mask)
        lesions = [name for name in wanted if metrics.get(name).mask == "lesion"]
        others = [name for name in wanted if name not in lesions]
        scores = self._evaluator.measure(fused, others) if others else {}
        if lesions and mask is None:
            warnings.warn(f"left out: {', '.join(lesions)}: the case has no mask (or it is empty)", MetricWarning, 2)
            return scores
        return scores | (self._evaluator.measure(fused, lesions, mask) if lesions else {})

    def _calibration(self, fused: Fused) -> dict[str, float]:
        """How far the uncertainty can be trusted where any source or the truth shows something."""
        if self.truth is None or fused.uncertainty is None or self.truth.space != fused.image.space:
            return {}
        if fused.provenance["samples"] < 2 or not get(fused.provenance["method"]).card.stochastic:
            return {}
        shown = np.any([image.pixels.max(axis=0) > 0 for image in (*self.full, self.truth)], axis=0)
        if not shown.any():
            return {}
        mean, std, truth = (image.pixels * 255 for image in (fused.image, fused.uncertainty, self.truth))
        return {PREFIX + name: value for name, value in calibrate(mean, std, truth, shown).items()}


class Magnification:
    """A case at one scale: its small sources and what upsamplers make of them.

    Attributes:
        study: the case.
        scale: magnification.
    """

    def __init__(self, study: Study, scale: int) -> None:
        self.study, self.scale = study, scale
        self._small = [bench_cases.smaller(image, scale) for image in study.full]
        self._large: dict[str, Timed] = {}

    def fused(self, entry: Entry) -> tuple[Fused, float]:
        """The picture of a row and its seconds, those of upsampling its sources included."""
        if entry.pictures is not None:
            return self._published(entry.pictures), 0.0
        # Patients were compared when the sources were read.
        how = entry.run.changed(scale=self.scale, seed=self.study.recipe.seed, different_patients=True)
        before = self.scale not in get(str(entry.method)).card.scales and how.upsample == "before"
        sources, seconds = self._enlarged(how) if before else Timed(self._small, 0.0)
        clock = time.perf_counter()
        fused = fuse(sources, str(entry.method), run=how.changed(scale=1) if before else how)
        return fused, seconds + time.perf_counter() - clock

    def _published(self, pattern: str) -> Fused:
        path = bench_cases.published(self.study.data, pattern, self.study.case, self.scale)
        picture = bench_cases.prepared(io.read(path), self.study.recipe.cases.prepare)
        return Fused(picture, None, {"picture": pattern})

    def _enlarged(self, how: Run) -> Timed:
        if how.upsampler not in self._large:
            clock = time.perf_counter()
            images = enlarged(self._small, how)
            self._large[how.upsampler] = Timed(images, time.perf_counter() - clock)
        return self._large[how.upsampler]


def pictures(study: Study) -> Sequence[tuple[str, Image | None]]:
    """The pictures that belong to a case whatever fuses it, by label."""
    return [("truth", study.truth), *((f"source {number}", image) for number, image in enumerate(study.full, start=1))]
