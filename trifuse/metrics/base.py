"""What a metric is: a card that says what it measures, and one function that measures it.

    CARD = MetricCard(name="cc", ...)

    @metric(CARD, mask="pixels")
    def cc(source: Pixels, fused: Pixels) -> float: ...

The card's kind gives the function's arguments: `image` takes `(fused)`, `pair` takes `(source, fused)` and is
reduced over the sources, `joint` takes `(fused, sources)`. What a function does not do itself (slices of a
volume, colour channels, masks, reduction over sources) is done here from what the card says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from trifuse.core.errors import InputError, OptionError
from trifuse.metrics.pixels import Mask, Pixels, pixels_of

Kind = Literal["image", "pair", "joint"]
Reduce = Literal["none", "sum", "mean", "joint", "weighted"]


class MetricCard(BaseModel):
    """What a metric measures and how to read it.

    Attributes:
        name: how users call it, lower case with underscores.
        title: its name in the literature.
        summary: one or two sentences: what it measures.
        formula: the formula in plain text, of the default variant.
        paper: citation with year, or None for a textbook quantity.
        direction: which values are better: "high", "low", or "zero" (nearest to 0).
        range: smallest and largest possible value per source; None = no bound.
        kind: "image" (fused image alone), "pair" (one source at a time), "joint" (all sources at once).
        reduce: how the sources combine in the default variant.
        dims: 2 (slices) and/or 3 (volumes).
        volumes: how volumes are measured: "native" (same formula over voxels), "generalised" (3-D windows or
            gradients, see `notes`), "slices" (per axial slice, then the mean).
        min_size: smallest side of an image (of a slice where volumes go by slices).
        weights: name of the checkpoint it needs, or None.
        variants: name after the `@` -> how it differs from the default and who computes it so.
        notes: conventions of the default: generalisations, guards, degenerate cases.
        pitfalls: what misleads readers of its values.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    summary: str
    formula: str
    paper: str | None = None
    direction: Literal["high", "low", "zero"]
    range: tuple[float | None, float | None]
    kind: Kind
    reduce: Reduce
    dims: frozenset[int] = frozenset({2, 3})
    volumes: Literal["native", "generalised", "slices"] = "native"
    min_size: int = 1
    weights: str | None = None
    variants: dict[str, str] = {}
    notes: str = ""
    pitfalls: str = ""


@dataclass(frozen=True)
class Score:
    """The value of a metric, and its value for each source where that makes sense (else empty)."""

    value: float
    per_source: tuple[float, ...] = ()


@dataclass(frozen=True)
class Case:
    """What is measured: a fused image against sources on the same grid.

    Attributes:
        fused: the fused image.
        sources: the images to compare with.
        mask: the samples that count, of the images' space; None = all.
        rgb: whether metrics that can compare channels instead of luma.
        weights: checkpoint for metrics that need one; None = where the environment says.
    """

    fused: Pixels
    sources: tuple[Pixels, ...] = ()
    mask: Mask | None = None
    rgb: bool = False
    weights: Path | None = None


@dataclass(frozen=True)
class Metric:
    """One variant of a metric, ready to measure.

    Attributes:
        card: what it measures.
        variant: the name after the `@`, empty for the default.
        measure: its function.
        reduce: how the sources combine in this variant.
        at_once: whether the function takes `(fused, sources)` although the card's kind is "pair".
        mask: "pixels": it may be fed a list of samples; "windows": its function takes `mask`; "lesion": likewise, and
            it needs one; "whole": it looks at the whole image whatever the mask; "no".
        rgb: under `colour="rgb"`: "luma" as always, "samples" of all channels, or mean over "channels".
        pools: whether its function handles volumes itself although the card says "slices".
        sliced: whether this variant goes slice by slice although the card says otherwise.
    """

    card: MetricCard
    variant: str
    measure: Callable[..., Any]
    reduce: Reduce
    at_once: bool = False
    mask: Literal["no", "pixels", "windows", "lesion", "whole"] = "no"
    rgb: Literal["luma", "samples", "channels"] = "luma"
    pools: bool = False
    sliced: bool = False

    @property
    def name(self) -> str:
        """`metric` or `metric@variant`."""
        return f"{self.card.name}@{self.variant}" if self.variant else self.card.name

    def __call__(self, fused: ArrayLike, sources: Sequence[ArrayLike] = (), **options: Any) -> float:
        """Value for arrays of grey levels 0..255 (see `evaluate` for the options).

        Raises:
            InputError: an array cannot be used, or the images are too small.
            OptionError: the metric needs sources and there are none, or does not take a mask.
        """
        return self.score(case_of(fused, sources, **options)).value

    def unsuited(self, case: Case) -> str:
        """Why it cannot measure this case, with a way out; empty if it can."""
        if self.card.kind != "image" and not case.sources:
            return f"metric {self.name} compares with sources; give sources or a reference"
        if case.mask is None and self.mask == "lesion":
            return f"metric {self.name} measures a lesion; give its mask (mask=, --mask)"
        if case.mask is not None and self.mask == "no":
            return f"metric {self.name} takes no mask; leave the mask or the metric out"
        space = case.fused.values.shape
        sides = space[:2] if self.sliced or self.card.volumes == "slices" else space
        if min(sides) < self.card.min_size:
            size = "x".join(map(str, space))
            return f"metric {self.name} needs at least {self.card.min_size} pixels per side, the images have {size}"
        return ""

    def score(self, case: Case) -> Score:
        """Value and per-source values.

        Raises:
            InputError: if the images are too small.
            OptionError: if the case lacks sources or has a mask that the metric cannot take.
            WeightsError: if it needs a checkpoint that is not there.
        """
        reason = self.unsuited(case)
        if reason:
            raise InputError(reason) if "pixels per side" in reason else OptionError(reason)
        if case.rgb and self.rgb == "channels":
            plain = replace(case, rgb=False)
            return mean_score([self._score(_turned(plain, partial(Pixels.channel, index=c))) for c in range(3)])
        if case.rgb and self.rgb == "samples":
            case = _turned(case, Pixels.colours)
        return self._score(case)

    def _score(self, case: Case) -> Score:
        mask = case.mask
        if mask is not None and self.mask == "pixels":
            return self._measured(_turned(case, lambda p: p.inside(mask)))
        by_slice = self.sliced or (self.card.volumes == "slices" and not self.pools)
        if case.fused.dims == 3 and by_slice:
            return mean_score([self._measured(part) for part in by_slices(case)])
        return self._measured(case)

    def _measured(self, case: Case) -> Score:
        options: dict[str, Any] = {}
        if self.mask in ("windows", "lesion"):
            options["mask"] = case.mask
        if self.card.weights is not None:
            options["weights"] = case.weights
        if self.card.kind == "image":
            return Score(float(self.measure(case.fused, **options)))
        if self.card.kind == "joint" or self.at_once:
            result = self.measure(case.fused, case.sources, **options)
            return result if isinstance(result, Score) else Score(float(result))
        values = tuple(float(self.measure(source, case.fused, **options)) for source in case.sources)
        return Score(sum(values) if self.reduce == "sum" else sum(values) / len(values), values)


def metric(
    card: MetricCard, variant: str = "", *, reduce: Reduce | None = None, **traits: Any
) -> Callable[[Callable[..., Any]], Metric]:
    """Makes a metric of a function; `traits` are the further attributes of `Metric`.

    Raises:
        TypeError: if the card does not describe the variant; that is a fault of the file that defines it.
    """
    if variant and variant not in card.variants:
        raise TypeError(f"card {card.name} says nothing of its variant {variant}")
    return lambda function: Metric(card, variant, function, reduce or card.reduce, **traits)


def fault(found: object, name: str) -> str | None:
    """What is wrong with what a plugin gives for a metric of this name, None if nothing is."""
    if not isinstance(found, Metric):
        return "is no metric (a function under `trifuse.metrics.base.metric`)"
    return None if found.name == name else f"has a card that calls it {found.name!r}"


def case_of(
    fused: ArrayLike | Pixels,
    sources: Sequence[ArrayLike | Pixels] = (),
    *,
    colour: str = "luma",
    mask: Any = None,
    weights: str | Path | None = None,
) -> Case:
    """Checks arrays and puts them together as a case; see `evaluate` for the arguments.

    Raises:
        InputError: an array cannot be used, shapes differ, or the mask is empty.
        OptionError: `colour` or `mask` is none of those known.
    """
    if colour not in ("luma", "rgb"):
        raise OptionError(f"colour={colour!r} is not known; choose luma or rgb")
    first = pixels_of(fused, "fused")
    rest = tuple(pixels_of(source, f"source {index}") for index, source in enumerate(sources, start=1))
    for index, source in enumerate(rest, start=1):
        require_same_space(first, source, f"source {index}")
    rgb = colour == "rgb" and any(p.rgb is not None for p in (first, *rest))
    return Case(first, rest, mask_of(mask, first, rest), rgb, None if weights is None else Path(weights))


def require_same_space(fused: Pixels, other: Pixels, name: str) -> None:
    """Raises InputError if an image has another size than the fused one."""
    if fused.values.shape != other.values.shape:
        raise InputError(
            f"{name} has size {other.values.shape}, the fused image {fused.values.shape}; bring them to one grid"
        )


def mask_of(mask: Any, fused: Pixels, sources: Sequence[Pixels]) -> Mask | None:
    """The mask as an array: None, "foreground" (any source above 0), or an array of the images' size.

    Raises:
        InputError: if it has another size or selects nothing.
        OptionError: if it is a word other than "foreground".
    """
    if mask is None:
        return None
    if isinstance(mask, str):
        if mask != "foreground":
            raise OptionError(f"mask={mask!r} is not known; give 'foreground' or an array")
        chosen: Mask = np.any([source.values > 0 for source in sources], axis=0)
    else:
        chosen = np.asarray(mask) != 0
    if chosen.shape != fused.values.shape:
        raise InputError(
            f"the mask has size {chosen.shape}, the images {fused.values.shape}; give one of the same size"
        )
    if not chosen.any():
        raise InputError("the mask selects no pixel; give another or none")
    return chosen


def by_slices(case: Case) -> Iterator[Case]:
    """One case per axial slice of a volume, without the slices that a mask leaves out."""
    stacks = zip(case.fused.slices(), *(source.slices() for source in case.sources), strict=True)
    for index, (fused, *sources) in enumerate(stacks):
        mask = None if case.mask is None else case.mask[:, :, index]
        if mask is None or mask.any():
            yield Case(fused, tuple(sources), mask, case.rgb, case.weights)


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean of scores, source by source."""
    per_source = zip(*(score.per_source for score in scores), strict=True)
    return Score(
        sum(score.value for score in scores) / len(scores),
        tuple(sum(values) / len(scores) for values in per_source),
    )


def _turned(case: Case, turn: Callable[[Pixels], Pixels]) -> Case:
    """The same case with every image turned into another."""
    return replace(case, fused=turn(case.fused), sources=tuple(turn(source) for source in case.sources))
