"""Uptake read back from the colours of a fused image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from trifuse.core import palettes
from trifuse.core.errors import OptionError
from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.pixels import Array, Pixels

LEAST = 0.05
"""Uptake from which a pixel counts: below, palettes are black."""

RANK = MetricCard(
    name="uptake_rank",
    title="Uptake read back (rank correlation)",
    summary="Rank correlation between the uptake of a source in a palette and that read from the fused colours.",
    formula="Spearman correlation of u(S) and u(F) where u(S) > 0.05, u by the nearest colour of the source's palette",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="mean",
    notes=(
        "Mean over the sources that are drawn in a palette of `trifuse.core.palettes`. Of the fused image the colours "
        "are compared without luma for the most part, which structures have changed. An error where no source is."
    ),
    pitfalls="An overlay in another palette than its source's is read wrongly; give the source in the overlay's.",
)
ERROR = RANK.model_copy(
    update={
        "name": "uptake_error",
        "title": "Uptake read back (error)",
        "summary": "Mean absolute error of the uptake read from the fused colours, as a share of the palette's range.",
        "formula": "mean |u(F) - u(S)| where u(S) > 0.05, u by the nearest colour of the source's palette, 0..1",
        "direction": "low",
        "range": (0, 1),
    }
)


@metric(RANK, mask="whole")
def rank(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Mean rank correlation over the sources in colour."""
    return _mean([_correlation(rankdata(theirs), rankdata(mine)) for theirs, mine in _uptakes(fused, sources)])


@metric(ERROR, mask="whole")
def error(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Mean absolute error over the sources in colour."""
    return _mean([float(np.abs(mine - theirs).mean()) for theirs, mine in _uptakes(fused, sources)])


def _uptakes(fused: Pixels, sources: Sequence[Pixels]) -> list[tuple[Array, Array]]:
    """Uptake of each source in a palette, and that read from the fused image, where there is some."""
    found = []
    shown = np.moveaxis(fused.colours().values, -1, 0) / 255
    for source in sources:
        rgb = None if source.rgb is None else np.moveaxis(source.rgb, -1, 0) / 255
        name = None if rgb is None else palettes.recognise(rgb)
        if rgb is None or name is None:
            continue
        theirs = palettes.read(rgb, name).uptake
        some = theirs > LEAST
        if some.any():
            mine = palettes.read_overlay(shown, name)
            found.append((theirs[some].astype(np.float64), mine[some].astype(np.float64)))
    if not found:
        raise OptionError(
            f"no source is drawn in a palette ({', '.join(palettes.names())}), so that no uptake can be read back; "
            "give the functional source in colour"
        )
    return found


def _correlation(first: Array, second: Array) -> float:
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _mean(values: list[float]) -> Score:
    return Score(sum(values) / len(values))
