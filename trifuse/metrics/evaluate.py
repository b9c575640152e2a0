"""evaluate(): several metrics of one fused image, on arrays of grey levels 0..255."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from trifuse.core.errors import InputError, OptionError, PluginError, WeightsError
from trifuse.core.registry import hint
from trifuse.metrics import get, resolve
from trifuse.metrics.base import Case, Metric, Score, case_of, require_same_space
from trifuse.metrics.pixels import MetricWarning, Pixels, pixels_of
from trifuse.metrics.presets import PRESETS


def evaluate(
    fused: ArrayLike | Pixels,
    sources: Sequence[ArrayLike | Pixels] = (),
    reference: ArrayLike | Pixels | None = None,
    metrics: str | Sequence[str] = "default",
    *,
    colour: str = "luma",
    mask: Any = None,
    per_source: bool = False,
    weights: str | Path | None = None,
) -> dict[str, float]:
    """Measures a fused image on arrays.

    Args:
        fused: `(H, W)`, `(X, Y, Z)`, or either with a last axis of 3 for RGB; values 0..255.
            `Pixels` stand for arrays throughout, and keep what is computed from them for the next call.
        sources: the fused images, of the same size, grey or RGB.
        reference: a ground truth of the same size. Beside sources, pair metrics are given a second time as
            `name:reference`; without sources, they are measured against it under their plain names.
        metrics: a preset (see `PRESETS`), one name, or a list of names. Of a preset, metrics that cannot
            measure this case (too small, no checkpoint, no sources) are left out with a warning; a metric that
            is named raises.
        colour: "luma" measures RGB images on rint(0.299 R + 0.587 G + 0.114 B); "rgb" measures MSE, RMSE, MAE,
            NMSE, PSNR and SSIM over the channels. LPIPS always sees colour.
        mask: None for the whole image; "foreground" (any source above 0) or an array of the images' size for
            metrics that can leave pixels out. Names then end in `:masked`. Metrics of lesions take the mask as the
            lesion's, and those of the preset "use" that look at the whole image do so.
        per_source: adds `name[k]`, the value for source k = 0, 1, ..., and `name/N`, the mean over the sources, where
            a metric is a sum over more or fewer than two.
        weights: checkpoint for LPIPS instead of the one that TRIFUSE_LPIPS names.

    Raises:
        InputError: an array cannot be used, sizes differ, or an image is too small for a metric that was named.
        OptionError: a metric or option does not exist, or a named metric cannot measure this case.
        WeightsError: a named metric lacks its checkpoint.
    """
    case = case_of(fused, sources, colour=colour, mask=mask, weights=weights)
    targets = {"": case} if case.sources or reference is None else {}
    if reference is not None:
        truth = pixels_of(reference, "reference")
        require_same_space(case.fused, truth, "reference")
        coloured = colour == "rgb" and (case.fused.rgb is not None or truth.rgb is not None)
        targets[":reference" if targets else ""] = replace(case, sources=(truth,), rgb=coloured)
    wanted, lenient = chosen(metrics)
    results: dict[str, float] = {}
    for name in wanted:
        for suffix, target in targets.items():
            measure = get(name)
            if measure.card.kind == "image" and suffix:
                continue
            if measure.card.kind == "joint" and target is not case:
                _refuse_reference(name, lenient, suffix)
                continue
            score = _score(measure, target, lenient)
            if score is not None:
                masked = mask is not None and measure.mask not in ("lesion", "whole")
                label = name + suffix + (":masked" if masked else "")
                results |= _labelled(label, score, measure, per_source)
    return results


def chosen(metrics: str | Sequence[str]) -> tuple[list[str], bool]:
    """Names of the metrics wanted, as the caller wrote them, and whether they come from a preset.

    Raises:
        OptionError: if a name is neither a metric nor a preset.
    """
    if isinstance(metrics, str):
        if metrics in PRESETS:
            return [name for name in PRESETS[metrics].metrics if _loads(name)], True
        metrics = [name for name in metrics.replace(",", " ").split() if name]
        if len(metrics) == 1 and "@" not in metrics[0]:
            _suggest_preset(metrics[0])
    if not metrics:
        raise OptionError(f"no metric was named; name some, or one of {', '.join(PRESETS)}")
    for name in metrics:
        resolve(name)
    return list(dict.fromkeys(metrics)), False


def _loads(name: str) -> bool:
    """Whether a metric of a preset is there; one that another package adds may fail to load, which is told."""
    try:
        get(name)
    except PluginError as error:
        warnings.warn(f"left out: {error}", MetricWarning, stacklevel=4)
        return False
    return True


def _suggest_preset(name: str) -> None:
    try:
        resolve(name)
    except OptionError:
        suggested = hint(name, PRESETS, otherwise="")
        if suggested:
            raise OptionError(f"no metric or preset is called {name!r}; {suggested}") from None
        raise


def _refuse_reference(name: str, lenient: bool, suffix: str) -> None:
    """A joint metric needs sources: an error only if it was named and there are none."""
    if not lenient and not suffix:
        raise OptionError(f"metric {name} looks at all sources at once; give sources, a reference is not enough")


def _score(measure: Metric, case: Case, lenient: bool) -> Score | None:
    """The score, or None with a warning if a metric of a preset cannot measure this case."""
    if lenient:
        reason = measure.unsuited(case)
        if reason:
            warnings.warn(f"left out: {reason}", MetricWarning, stacklevel=3)
            return None
    try:
        return measure.score(case)
    except (WeightsError, OptionError, InputError) as error:
        if not lenient:
            raise
        warnings.warn(f"left out: {error}", MetricWarning, stacklevel=3)
        return None


def _labelled(label: str, score: Score, measure: Metric, per_source: bool) -> dict[str, float]:
    results = {label: score.value}
    if per_source:
        results |= {f"{label}[{k}]": value for k, value in enumerate(score.per_source)}
        if measure.reduce == "sum" and len(score.per_source) not in (0, 2):
            results[f"{label}/N"] = score.value / len(score.per_source)
    return results
