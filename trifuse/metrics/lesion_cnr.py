"""Contrast-to-noise ratio of a lesion as a share of the best source's."""

from __future__ import annotations

from collections.abc import Sequence

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.regions import ring

CARD = MetricCard(
    name="lesion_cnr",
    title="Lesion contrast kept (CNR share)",
    summary="Contrast-to-noise ratio of a masked lesion against its ring, as a share of the best source's.",
    formula="CNR(F) / max_k CNR(S_k), CNR(x) = |mean_lesion x - mean_ring x| / max(SD_ring x, 0.5)",
    direction="high",
    range=(0, None),
    kind="joint",
    reduce="joint",
    notes=(
        "The ring lies 2 to 6 pixels from the lesion, inside the head. The noise is at least half a grey level. "
        "1 where no source shows the lesion and the fused image does not either."
    ),
    pitfalls=(
        "A copy of the source that shows the lesion has 1: read it beside edge_recall, where a copy loses. The SD of "
        "the ring counts structures too, so that detail of other sources lowers it. Small lesions are noisy."
    ),
)


@metric(CARD, mask="lesion")
def lesion_cnr(fused: Pixels, sources: Sequence[Pixels], mask: Mask) -> float:
    """CNR of the fused image over that of the source that shows the lesion best."""
    around = ring(mask, sources)
    best = max(_cnr(source.values, mask, around) for source in sources)
    own = _cnr(fused.values, mask, around)
    return own / best if best > 0 else 1.0 + own


def _cnr(x: Array, lesion: Mask, around: Mask) -> float:
    return float(abs(x[lesion].mean() - x[around].mean()) / max(x[around].std(), 0.5))
