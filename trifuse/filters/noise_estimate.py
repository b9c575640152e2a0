"""How noisy an image is, from its quietest neighbourhoods.

Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021): `estimate_image_noise`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter

from trifuse.filters.anisotropic import anisotropic_gaussian
from trifuse.filters.rank_opening import opened_by_rank
from trifuse.filters.structure_tensor import Plane, structure_tensor

EXTENT, ALPHA = 2.6, 0.7
DISC = 14
QUIET_SHARE = 0.06
TO_DEVIATION = 2.34


def noise_estimate(image: NDArray[np.float64], *, skip: int = 1, integer: bool = False) -> tuple[float, Plane]:
    r"""Standard deviation of the noise in an image (C, H, W) or (H, W), and the map (H, W) that it is the mean of.

    The size of the second difference, \(|I * [-1, 2, -1] * [-1, 2, -1]^T| / 6\), is smoothed along its own lines and
    opened with a disc at 6 % of its pixels, so that only noise is left; the deviation is 2.34 times the mean.
    A colour image is averaged over its C channels first, and the deviation times sqrt(C).

    Args:
        skip: looks at every skip-th pixel only (noise of sensors is smoothed by demosaicing), each of the
            skip x skip images alone; the map is the largest nearby.
        integer: rounds the smoothed differences to quarters of a grey level, as the original does for integers.

    Images smaller than the disc (29 pixels), which the original refuses, get the largest disc that fits.
    """
    grey = image if image.ndim == 2 else image.mean(axis=0)
    channels = 1 if image.ndim == 2 else len(image)
    half = DISC if skip == 1 else round(DISC / np.sqrt(skip))
    noise = np.empty_like(grey)
    for row in range(skip):
        for column in range(skip):
            part = np.ascontiguousarray(grey[row::skip, column::skip])
            noise[row::skip, column::skip] = _quiet_part(part, half, integer)
    if skip > 1:
        noise = maximum_filter(noise, 2 * round(skip / 2) + 1, mode="nearest")
    noise *= TO_DEVIATION * np.sqrt(channels)
    return float(noise.mean()), noise


def _quiet_part(image: Plane, half: int, integer: bool) -> Plane:
    kernel = np.array([-1.0, 2.0, -1.0])
    rough = np.abs(correlate1d(correlate1d(image, kernel, axis=0, mode="nearest"), kernel, axis=1, mode="nearest")) / 6
    smooth = anisotropic_gaussian(rough, EXTENT, ALPHA, 0, structure_tensor(rough, EXTENT, corner=True))
    half = min(half, (min(image.shape) - 1) // 2)
    disc = _disc(half)
    rank = int(np.floor(QUIET_SHARE * (disc.sum() - 1) + 0.5)) + 1
    if not integer:
        return opened_by_rank(smooth, disc, rank)
    opened: Plane = opened_by_rank(np.floor(4 * smooth + 0.5), disc, rank) / 4
    return opened


def _disc(half: int) -> NDArray[np.bool_]:
    offset = np.arange(-half, half + 1)
    disc: NDArray[np.bool_] = offset[:, None] ** 2 + offset[None, :] ** 2 < (half + 0.1) ** 2
    return disc
