"""GFF: image fusion with guided filtering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace, uniform_filter
from torch import Tensor

from trifuse.core.cost import Cost, Tiling
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

Array = NDArray[np.float64]

NOTES = """
Any number of sources, as in the paper: each pixel's weight map is 1 for the source of largest saliency and 0 for
the others (shared equally where several tie), then smoothed by the guided filter with that source as guide.
Windows are mirrored at the border; the Gaussian of the saliency is cut at its radius.
"""


@method
@dataclass(frozen=True)
class GuidedFilter:
    r"""Two scales, each a weighted mean whose weights are binary saliency maps made consistent with the edges of their
    source by the guided filter.

    Source: Li, Kang, Hu, "Image fusion with guided filtering", IEEE TIP 22(7), 2013, section III; guided filter: He,
    Sun, Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013, eqs. 5, 6 and 8.
    """

    card: ClassVar[Card] = Card(
        name="guided-filter",
        title="GFF (guided filtering fusion)",
        summary="Base and detail layers, each averaged with saliency weights that follow the edges of the sources.",
        cites=("li2013guided",),
        paper="Li, Kang, Hu, IEEE TIP 22(7), 2013",
        tiling=Tiling(reach=96),
        notes=NOTES.strip(),
        cost=Cost(per_pixel=60, per_source=50, seconds=1.5),
    )

    average: int = option(31, "side of the mean filter that makes the base layer, in pixels", at_least=1)
    base_radius: int = option(45, "radius of the guided filter for base weights", at_least=1)
    base_epsilon: float = option(0.3, "its regularisation", above=0)
    detail_radius: int = option(7, "radius of the guided filter for detail weights", at_least=1)
    detail_epsilon: float = option(1e-6, "its regularisation", above=0)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Any number of sources at once; see `Method.fuse`."""
        batch = torch.stack(list(sources))[:, :, 0].double().cpu().numpy()
        fused = np.stack([self._fused(layers) for layers in batch.swapaxes(0, 1)])
        return Estimate(torch.from_numpy(fused)[:, None].to(sources[0]))

    def _fused(self, layers: Array) -> Array:
        """One image (H, W) from layers (N, H, W)."""
        base = uniform_filter(layers, (0, self.average, self.average), mode="reflect")
        masks = winners(np.stack([saliency(layer) for layer in layers]))
        total: Array = np.zeros_like(layers[0])
        for part, radius, epsilon in (
            (base, self.base_radius, self.base_epsilon),
            (layers - base, self.detail_radius, self.detail_epsilon),
        ):
            weights = [guided(mask, layer, radius, epsilon) for mask, layer in zip(masks, layers, strict=True)]
            total += _weighted_mean(part, np.stack(weights))
        return total


def saliency(layer: Array) -> Array:
    """Local strength of edges (eqs. 6 and 7): absolute Laplacian, blurred by an 11 x 11 Gaussian of sigma 5."""
    blurred: Array = gaussian_filter(np.abs(laplace(layer, mode="reflect")), 5, radius=5, mode="reflect")
    return blurred


def winners(saliencies: Array) -> Array:
    """Masks (N, H, W) that are 1 for the most salient source of each pixel; ties share."""
    best = (saliencies == saliencies.max(axis=0)).astype(np.float64)
    shared: Array = best / best.sum(axis=0)
    return shared


def guided(image: Array, guide: Array, radius: int, epsilon: float) -> Array:
    r"""Guided filter (H, W): the local linear model \(q = \bar a I + \bar b\) of `image` in `guide`."""

    def mean(x: Array) -> Array:
        filtered: Array = uniform_filter(x, 2 * radius + 1, mode="reflect")
        return filtered

    mean_guide, mean_image = mean(guide), mean(image)
    a = (mean(guide * image) - mean_guide * mean_image) / (mean(guide**2) - mean_guide**2 + epsilon)
    return mean(a) * guide + mean(mean_image - a * mean_guide)


def _weighted_mean(part: Array, weights: Array) -> Array:
    """Mean over sources; weights are clipped at 0 and brought to sum 1 (equal where all are 0)."""
    positive = np.maximum(weights, 0) + 1e-12
    mean: Array = (part * positive).sum(axis=0) / positive.sum(axis=0)
    return mean
