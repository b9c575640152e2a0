"""PALM: fuses an ultrasound image with an MRI of coarser pixels, which it super-resolves on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse import weights
from trifuse.core.cost import Cost
from trifuse.core.levels import levels
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

if TYPE_CHECKING:
    from trifuse.filters.palm import Pair, Solution, Weights

NOTES = """
Two sources of one field of view: the MRI first, then the ultrasound, on equal grids or the MRI coarser by a whole
number (then the order does not matter); the result is on the ultrasound's grid and scale. Other pairs run too; then
the second source is what the result stays near, and the first one adds its structure. `variant=corrected` (default)
minimises the paper's cost; `py` and `ml` reproduce the Python and the MATLAB program, including what they get wrong:
the constant of the Fourier step (4 instead of d^2), half a coarse pixel of shift, coefficients fitted on one scale,
made positive and applied on another, an ascending MRI step, a gradient of the flattened image, a cost that does not
match its gradient. Coefficients of `py` and `ml` fitted on norm-scaled images diverge at ratio 1, where the programs
fit on max-scaled ones: `normalisation=auto` does that. Weights left at none are the variant's own. Our own small
denoiser is the default; the published DnCNN-S-25 (GPL-3.0) is read from your own file with `denoiser=PATH`. For odd
sizes `ml` centres the blur, which the program shifts by one pixel. In `corrected` the gradient that enters the
link is that of the interpolated MRI, so that the cost is one function and falls in every step. On equal grids tau4
follows from the pair: the noisier the ultrasound and the better the MRI explains it, the more of the MRI. It is
shown from its darkest to its brightest pixel, as the published pictures are; in the ultrasound's own range it looks
washed out, since the background of a log-compressed ultrasound is mid grey. Its weights were chosen on synthetic pairs
(docs/palm.md).
"""

CONTRAST = 0.6
"""Our denoiser keeps more of an ultrasound that is shown to it with less contrast."""


def own_range(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The image from 0 to 1, so that a result depends on no scale: pictures and arrays of the same pixels agree."""
    low, high = float(image.min()), float(image.max())
    shown: NDArray[np.float64] = (image - low) / (high - low if high > low else 1.0)
    return shown


def stretched(fused: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Images `(B, 1, H, W)` with `low`..`high` as 0..1."""
    return (fused - low) / torch.where(high > low, high - low, 1)


@method
@dataclass(frozen=True)
class PALM:
    r"""Proximal alternating linearised minimisation over a super-resolved MRI and a denoised ultrasound image that
    are linked by a polynomial of the MRI and its gradient.

    Source: El Mansouri, Vidal, Basarab, Payoux, Kouamé, Tourneret, "Fusion of magnetic resonance and ultrasound images
    for endometriosis detection", IEEE TIP 29:5324-5335, 2020.
    """

    card: ClassVar[Card] = Card(
        name="palm",
        title="PALM (MRI and ultrasound)",
        summary="Fuses an ultrasound image with a coarser MRI: despeckling, super-resolution and fusion in one cost.",
        cites=("elmansouri2020palm",),
        paper="El Mansouri et al., IEEE TIP 29:5324-5335, 2020",
        sources=(2, 2),
        native_grids=True,
        notes=NOTES.strip(),
        cost=Cost(per_pixel=900, seconds=7),
    )

    variant: Literal["corrected", "py", "ml"] = field(
        default="corrected", metadata={"help": "corrected, or the Python (py) or MATLAB (ml) program to the last digit"}
    )
    iterations: int = option(10, "most outer iterations", at_least=1)
    tolerance: float = option(1e-3, "relative change at which `corrected` stops", at_least=0)
    denoiser: str = field(default="small", metadata={"help": "small (ours), none, or the path of a DnCNN checkpoint"})
    denoised_share: float = option(
        1.0, "of the denoised ultrasound in what `corrected` stays near; the rest is raw", at_least=0, at_most=1
    )
    normalisation: Literal["auto", "norm", "max"] = field(
        default="auto", metadata={"help": "scale on which py and ml fit the link; auto: max at ratio 1, else norm"}
    )
    tau1: float | None = option(None, "prior of the super-resolved MRI", at_least=0)
    tau2: float | None = option(None, "fidelity to the ultrasound", at_least=0)
    tau3: float | None = option(None, "smoothness of the result", at_least=0)
    tau4: float | None = option(None, "coupling of the result to the MRI; of `corrected`, from the pair", at_least=0)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """The fused ultrasound on the finer grid; see `Method.fuse`."""
        mri, us = sorted(sources, key=lambda source: source.shape[2])
        results = []
        for y1, y2 in zip(levels(mri)[:, 0].numpy(), levels(us)[:, 0].numpy(), strict=True):
            pair = self.pair(own_range(y1), own_range(y2)) if self.variant == "corrected" else self.pair(y1, y2)
            results.append(self.solve(pair).fused * pair.us_top)
        fused = torch.from_numpy(np.stack(results))[:, None].to(sources[0])
        return Estimate(fused, stretch=stretched if self.variant == "corrected" else None)

    def pair(self, mri: NDArray[np.float64], us: NDArray[np.float64]) -> Pair:
        """The two images (h, w) and (d h, d w), of any intensity scale, as this variant prepares them.

        Raises:
            InputError: if the sizes do not differ by one whole factor.
        """
        from trifuse.filters.palm import Pair

        return Pair(mri, us, "zeros" if self.variant == "py" else "mirror")

    def solve(self, pair: Pair) -> Solution:
        """Fused image, super-resolved MRI, link and convergence record.

        Raises:
            OptionError: if the iteration diverges.
            WeightsError: if the denoiser cannot be loaded.
        """
        from trifuse.filters import palm, palm_corrected

        if self.variant == "corrected":
            target = self.target(pair)
            coupled = replace(palm_corrected.DEFAULTS, tau4=palm_corrected.coupling_weight(pair, target))
            weights = self._weights(coupled)
            return palm_corrected.solve(pair, target, weights, iterations=self.iterations, tolerance=self.tolerance)
        start = self.denoised(pair)
        reference = palm.PY if self.variant == "py" else palm.ML
        chosen = palm.with_weights(reference, self._weights(reference.weights))
        on_maxima = self.normalisation == "max" or (self.normalisation == "auto" and pair.ratio == 1)
        return palm.solve(pair, start, chosen, iterations=self.iterations, normalisation="max" if on_maxima else "norm")

    def target(self, pair: Pair) -> NDArray[np.float64]:
        """What `corrected` stays near, y2: the denoised ultrasound and a share of the raw one."""
        return self.denoised_share * self.denoised(pair) + (1 - self.denoised_share) * pair.yu

    def denoised(self, pair: Pair) -> NDArray[np.float64]:
        """The ultrasound, in units of its brightest pixel, after the denoiser of the options."""
        if self.denoiser == "none":
            return pair.yu
        from trifuse.nets import dncnn

        if self.denoiser != "small":
            return dncnn.denoise(weights.kept(dncnn.load, Path(self.denoiser)), pair.yu)
        network = weights.kept(dncnn.load, dncnn.SMALL)
        if self.variant != "corrected":
            return dncnn.denoise(network, pair.yu)
        return dncnn.denoise_all_ways(network, pair.yu * CONTRAST) / CONTRAST

    def _weights(self, defaults: Weights) -> Weights:
        names = ("tau1", "tau2", "tau3", "tau4")
        return replace(defaults, **{name: getattr(self, name) for name in names if getattr(self, name) is not None})
