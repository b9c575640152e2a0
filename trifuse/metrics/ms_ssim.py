"""Multi-scale structural similarity."""

from __future__ import annotations

import warnings

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import MetricWarning, Pixels
from trifuse.metrics.ssim import C1, C2, contrast_structure, ssim_map
from trifuse.metrics.windows import WANG, halved

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

CARD = MetricCard(
    name="ms_ssim",
    title="Multi-scale structural similarity (MS-SSIM)",
    summary="SSIM's contrast and structure at five scales and its brightness at the coarsest.",
    formula=(
        "MS-SSIM = mean_k prod_s m_s^e_s, m_s = mean contrast-structure at scale s = 1..4, mean SSIM at s = 5, "
        "e = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333; 2 x 2 means between scales"
    ),
    paper="Wang, Simoncelli and Bovik, Asilomar Conf. Signals Syst. Comput., 2003",
    direction="high",
    range=(0, 1),
    kind="pair",
    reduce="mean",
    volumes="generalised",
    min_size=176,
    notes=(
        "A negative mean at a scale is taken as 0, with a warning. 176 pixels leave one 11-pixel window at the fifth "
        "scale. Volumes: 3-D windows and 2 x 2 x 2 means, 176 voxels along every axis."
    ),
    pitfalls=(
        "A PET or SPECT source whose contrast is inverted in the fused image makes its term 0 (MATLAB programs give "
        "complex numbers or NaN there). Tang's 'MS_SSIM' is MEF-MS-SSIM, another measure."
    ),
)


@metric(CARD)
def ms_ssim(source: Pixels, fused: Pixels) -> float:
    """MS-SSIM of one source and the fused image."""
    value = 1.0
    x, y = source, fused
    for scale, exponent in enumerate(EXPONENTS):
        if scale:
            x, y = coarser(x), coarser(y)
        last = scale == len(EXPONENTS) - 1
        similar = ssim_map(x, y, WANG, C1, C2) if last else contrast_structure(x, y, WANG, C2)
        mean = float(similar.mean())
        if mean < 0:
            warnings.warn("ms_ssim: negative mean similarity at a scale; counted as 0", MetricWarning, stacklevel=2)
        value *= max(mean, 0.0) ** exponent
    return value


def coarser(image: Pixels) -> Pixels:
    """The image at half the resolution, remembered."""
    return image.once("halved", lambda: Pixels(halved(image.values)))
