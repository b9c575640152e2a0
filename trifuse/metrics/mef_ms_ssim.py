"""MEF-SSIM at three scales."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.mef_ssim import similarity_map
from trifuse.metrics.ms_ssim import coarser
from trifuse.metrics.pixels import MetricWarning, Pixels

EXPONENTS = tuple(e / 0.6305 for e in (0.0448, 0.2856, 0.3001))

CARD = MetricCard(
    name="mef_ms_ssim",
    title="Multi-scale MEF-SSIM (MEF-MS-SSIM)",
    summary="MEF-SSIM at three scales: structure of the best patches that the sources allow, fine to coarse.",
    formula="prod_s (mean MEF-SSIM at scale s)^e_s, s = 1..3, e = (0.0448, 0.2856, 0.3001) / 0.6305, 2 x 2 means",
    paper="Ma, Zeng and Wang, IEEE Trans. Image Process. 24, 2015",
    direction="high",
    range=(0, 1),
    kind="joint",
    reduce="joint",
    volumes="slices",
    min_size=41,
    notes="Any number of sources, natively. A negative mean at a scale is taken as 0, with a warning.",
    pitfalls="Tang's programs print it as 'MS_SSIM', and where a mean is negative MATLAB gives complex numbers or NaN.",
)


@metric(CARD)
def mef_ms_ssim(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Product over the scales."""
    value = 1.0
    for scale, exponent in enumerate(EXPONENTS):
        if scale:
            fused, sources = coarser(fused), [coarser(source) for source in sources]
        mean = float(similarity_map(fused, sources).mean())
        if mean < 0:
            warnings.warn("mef_ms_ssim: negative mean similarity at a scale; counted as 0", MetricWarning, stacklevel=2)
        value *= max(mean, 0.0) ** exponent
    return value
