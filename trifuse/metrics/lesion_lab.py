"""Distance in colour between a lesion and its ring as a share of the best source's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Array, Mask, Pixels
from trifuse.metrics.regions import ring

CARD = MetricCard(
    name="lesion_lab",
    title="Lesion colour contrast kept (CIELAB share)",
    summary="CIELAB distance between a masked lesion and its ring, as a share of the best source's.",
    formula="dE(F) / max_k dE(S_k), dE = |Lab(lesion) - Lab(ring)|, mean CIELAB of sRGB, D65 (CIE 1976)",
    paper="CIE Publication 15.2, Colorimetry, 1986",
    direction="high",
    range=(0, None),
    kind="joint",
    reduce="joint",
    notes="Ring as for lesion_cnr. 1 where no source shows the lesion and the fused image does not either.",
    pitfalls="Knows no noise, and is raised by any stretch of contrast; lesion_cnr is not.",
)

TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB to CIE XYZ (IEC 61966-2-1)."""

WHITE = TO_XYZ.sum(axis=1)


@metric(CARD, mask="lesion")
def lesion_lab(fused: Pixels, sources: Sequence[Pixels], mask: Mask) -> float:
    """Distance in the fused image over that in the source that shows the lesion best."""
    around = ring(mask, sources)
    best = max(_distance(source, mask, around) for source in sources)
    own = _distance(fused, mask, around)
    return own / best if best > 0 else 1.0 + own


def _distance(image: Pixels, lesion: Mask, around: Mask) -> float:
    rgb = image.values[..., None] if image.rgb is None else image.rgb
    inside, outside = (lab(np.broadcast_to(rgb[area], (int(area.sum()), 3))).mean(axis=0) for area in (lesion, around))
    return float(np.linalg.norm(inside - outside))


def lab(rgb: Array) -> Array:
    """CIELAB `(..., 3)` of sRGB `(..., 3)`, 0..255, under D65."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T / WHITE
    cube = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * cube[..., 1] - 16, 500 * (cube[..., 0] - cube[..., 1]), 200 * (cube[..., 1] - cube[..., 2])], axis=-1
    )
