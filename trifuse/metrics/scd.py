"""Sum of the correlations of differences."""

from __future__ import annotations

from collections.abc import Sequence

from trifuse.metrics.base import MetricCard, Score, metric
from trifuse.metrics.cc import pearson
from trifuse.metrics.pixels import Pixels

CARD = MetricCard(
    name="scd",
    title="Sum of the correlations of differences (SCD)",
    summary="Whether what the fused image has beyond the other sources is what each source contributes.",
    formula="SCD = sum_k corr(S_k, F - mean of the other sources); for two sources corr(S1, F - S2) + corr(S2, F - S1)",
    paper="Aslantas and Bendes, AEU Int. J. Electron. Commun. 69, 2015",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="sum",
    notes=(
        "More than two sources: the mean of the others takes the place of the other one, so that the average of N "
        "images shows the same pattern of differences for every N; this is our generalisation. One source alone is "
        "compared with F itself. A constant argument makes its term 0, with a warning."
    ),
    pitfalls="A sum over sources: the best value is N. It rewards overshoot, being blind to gain.",
)


@metric(CARD, mask="pixels")
def scd(fused: Pixels, sources: Sequence[Pixels]) -> Score:
    """Sum over the sources, and each source's correlation."""
    total = sum(source.values for source in sources)
    others = max(len(sources) - 1, 1)
    terms = tuple(pearson(source.values, fused.values - (total - source.values) / others, "scd") for source in sources)
    return Score(sum(terms), terms)
