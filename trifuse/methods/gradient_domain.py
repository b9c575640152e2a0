r"""Gradient-domain fusion of distinct contrasts, ours: lesions keep their contrast, every source its edges.

For sources \(S_k\), brought nearer to one contrast (`_levelled`):

1. \(w_k\): the share of source k in the contrasts of a region that the other sources do not explain, to the power p,
   less where it contradicts the leading source of the region (`filters.unexplained`).
2. Large structures: \(A = \arg\min \sum |\nabla A - \sum_k w_k \nabla S_k|^2 + s_0 (A - \sum_k w_k S_k)^2\).
3. Edges: \(v = \sum_k v_k \nabla S_k\), \(v_k \propto w_k^{0.7} e_k^q\), \(e_k\) the energy of the gradient within two
   pixels: a source with an edge of its own is heard in it wherever another leads in the region.
4. \(F = \arg\min \sum |\nabla F - v|^2 + s (F - A)^2\), by cosine transforms, exactly.
5. Background stays what it is, and extremes that no source has are levelled (`filters.extremes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse.core.cost import Cost
from trifuse.core.random import Random
from trifuse.filters.extremes import BACKGROUND, black_kept, without_specks
from trifuse.filters.gradient_field import energy, from_divergence, mixed_divergence
from trifuse.filters.unexplained import unexplained
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

Volumes = NDArray[np.float32]
"""Sources `(N, D, H, W)`; a picture is a volume of one slice."""

DRIFT = 1e-3
"""s_0: over 200 pixels and more, large structures follow the mean of the sources weighted by w."""

DETAIL = 0.1
"""s: over 20 pixels and more, the picture follows its large structures; below that, its edges."""

GAIN = 1.05
"""What averaging takes from gradients, made up for."""

EQUAL_AT, BRIGHT = 95, 99.5
"""Percentiles of what is not background: by which contrasts are levelled, and which must not be clipped."""

RAISED, COUNTED = 0.5, 0.8
"""Power of what a source of low contrast lacks by which it is raised, and by which its contrasts count."""

MOST_GAIN = 2.0
HEARD = 0.7
"""Power of the weights for edges: those of sources that do not lead are heard more than their large structures."""

SLAB, REACH = 32, 3
"""Slices whose edges are weighed at a time, and how far beyond them edges are looked at."""

FAINT = 1e-8
"""Energy of gradients of 1e-4 of the grey range, below which no edge is told from noise."""


@method
@dataclass(frozen=True)
class GradientDomain:
    """One exact Poisson fusion of the contrasts that each source has for itself; pictures and volumes."""

    card: ClassVar[Card] = Card(
        name="gradient-domain",
        title="Gradient-domain fusion of distinct contrasts",
        summary=(
            "Keeps a lesion's contrast from the source that alone shows it and edges from all: gradients weighted by "
            "what other sources do not explain, integrated exactly; no training, 2D and true 3D."
        ),
        dims=frozenset({2, 3}),
        notes=(
            "Ours (docs/gradient-domain.md), in the line of Socolinsky and Wolff (2002), Perez et al. (2003) and "
            "Piella (2009). Contrasts are compared in cells of 1/64 of the field of view, so that lesions from about "
            "1/32 of it decide which source leads; smaller ones are kept as edges. Sources of low contrast are raised, "
            "by the root of what they lack and at most twofold, so that grey levels are not those of any source: "
            "read native units from the sources. Where sources contradict each other (fluid in T1 and T2), the sign of "
            "a contrast is that of the source that leads in the region, and may change from region to region. The "
            "result is not clipped by more than 0.5 % of the head. Twins "
            "(T1 and T1 with contrast agent) share the weight of what both show; where the lesion shows best in twins "
            "and also, worse and with the other sign, in a third source, the third may lead (1 of 9 people). "
            "power: how decidedly the leading source leads; 0 = all alike. edges: how decidedly the stronger edge "
            "wins; 0 = edges come from the leading source alone, which keeps more of a lesion's contrast and loses "
            "edges of the others. Volumes are fused as volumes, axes alike whatever their spacing."
        ),
        cost=Cost(fixed=60, per_pixel=8, per_source=8, seconds=1),
    )
    power: float = option(4.5, "how decidedly one source leads in a region", at_least=0)
    edges: float = option(1.5, "how decidedly the stronger edge wins", at_least=0)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fused `(B, 1, *space)`, values 0..1; see `Method.fuse`."""
        pixels = [source.detach().float().cpu().numpy()[:, 0] for source in sources]
        fused = [self._fuse_one(np.stack(images)) for images in zip(*pixels, strict=True)]
        return Estimate(torch.stack([torch.from_numpy(one) for one in fused])[:, None].to(sources[0]))

    def _fuse_one(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """One study `(N, *space)`, whose memory is used -> `(*space)`."""
        np.nan_to_num(images, copy=False)
        volumes = images if images.ndim == 4 else images[:, None]
        lacks = _lacking(volumes)
        raised = np.minimum(lacks**RAISED, MOST_GAIN)
        counted = np.minimum(lacks**COUNTED, MOST_GAIN) / raised
        volumes *= raised[:, None, None, None]
        weights = unexplained(list(volumes.reshape(images.shape)), self.power, counted.tolist()).reshape(volumes.shape)
        mean = np.einsum("n...,n...->...", volumes, weights)
        large = from_divergence(mixed_divergence(volumes, weights), mean, DRIFT)
        del mean
        _sharpen(weights, volumes, self.edges)
        solved = from_divergence(mixed_divergence(volumes, weights), large, DETAIL)
        del weights, large
        solved = black_kept(solved, volumes, BACKGROUND * float(volumes.max()))
        return _shown(without_specks(solved, volumes), volumes).reshape(images.shape[1:])


def _lacking(volumes: Volumes) -> NDArray[np.float32]:
    """`(N,)`: how many times brighter the bright tissue of the brightest source is."""
    bright = np.array([max(_percentile(volume, volume, EQUAL_AT), 1e-3) for volume in volumes])
    return np.asarray(bright.max() / bright, np.float32)


def _sharpen(weights: Volumes, volumes: Volumes, edges: float) -> None:
    """Multiplies the weights by the energy of edges to a power, and makes their sum 1 again; slab by slab."""
    depth = volumes.shape[1]
    for start in range(0, depth if edges else 0, SLAB):
        stop = min(start + SLAB, depth)
        low, high = max(0, start - REACH), min(depth, stop + REACH)
        inner = slice(start - low, stop - low)
        energies = np.stack([energy(volume[low:high])[inner] for volume in volumes])
        energies += FAINT
        energies /= energies.max(axis=0)
        energies **= np.float32(edges)
        energies *= weights[:, start:stop] ** np.float32(HEARD)
        energies /= energies.sum(axis=0)
        weights[:, start:stop] = energies


def _shown(fused: NDArray[np.float32], volumes: Volumes) -> NDArray[np.float32]:
    """The picture with its gain, less of it where bright tissue would be clipped; 0..1. Its memory is used."""
    white = _percentile(fused, volumes.max(axis=0), BRIGHT)
    fused *= min(GAIN, 1 / max(white, 1e-6))
    return np.clip(fused, 0, 1, out=fused)


def _percentile(values: NDArray[np.float32], tissue: NDArray[np.float32], percentile: float) -> float:
    """Percentile of the values where `tissue` is more than background; of every n-th of very many."""
    step = max(1, values.size // 2_000_000)
    values, tissue = values.ravel()[::step], tissue.ravel()[::step]
    inside = values[tissue > BACKGROUND * float(tissue.max())]
    return float(np.percentile(inside, percentile)) if inside.size else 0.0
