"""Fusion in the discrete wavelet domain: the textbook multi-scale baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse.core.cost import Cost
from trifuse.core.errors import OptionError
from trifuse.core.random import Random
from trifuse.filters.extremes import background_kept
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

NOTES = """
The levels are as many as asked for, or as the image allows if it is small. Any number of sources: details are
chosen among all of them at once, approximations averaged. Volumes are decomposed in three dimensions. Where no source
is brighter than 8 % of the brightest grey, the result stays between their values there: coefficients of the head
would leave grey blocks in a black background.
"""


@method
@dataclass(frozen=True)
class DWT:
    """Details of largest absolute value, mean of the approximations.

    Source: Li, Manjunath, Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models and Image
    Processing 57(3), 1995, with the choice made coefficient by coefficient.
    """

    card: ClassVar[Card] = Card(
        name="dwt",
        title="Discrete wavelet transform",
        summary="Wavelet details of largest absolute value, mean of the approximations: the classical baseline.",
        cites=("li1995wavelet",),
        paper="Li, Manjunath, Mitra, Graphical Models and Image Processing 57(3), 1995",
        dims=frozenset({2, 3}),
        notes=NOTES.strip(),
        cost=Cost(per_pixel=13, per_source=12, seconds=0.5),
    )

    wavelet: str = field(default="db2", metadata={"help": "name of a discrete wavelet of PyWavelets"})
    levels: int = option(4, "decomposition levels, at most", at_least=1)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Any number of sources at once; see `Method.fuse`.

        Raises:
            OptionError: if the wavelet does not exist.
        """
        import pywt

        if self.wavelet not in pywt.wavelist(kind="discrete"):
            raise OptionError(f"dwt: no discrete wavelet is called {self.wavelet!r}; try db2, sym4 or bior2.2")
        space = sources[0].shape[2:]
        axes = tuple(range(-len(space), 0))
        levels = min(self.levels, pywt.dwtn_max_level(space, self.wavelet))
        parts = [pywt.wavedecn(x.cpu().numpy(), self.wavelet, "symmetric", levels, axes) for x in sources]
        approximation = np.mean([part[0] for part in parts], axis=0)
        details = zip(*(part[1:] for part in parts), strict=True)
        chosen = [{key: _strongest([detail[key] for detail in level]) for key in level[0]} for level in details]
        fused = pywt.waverecn([approximation, *chosen], self.wavelet, "symmetric", axes)
        crop = (slice(None), slice(None), *(slice(0, n) for n in space))
        whole = torch.from_numpy(np.ascontiguousarray(fused[crop])).to(sources[0])
        return Estimate(background_kept(whole, sources))


def _strongest(details: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Coefficient by coefficient the one of largest absolute value; the first of equals."""
    stacked = np.stack(list(details))
    which = np.abs(stacked).argmax(axis=0)[None]
    chosen: NDArray[np.float32] = np.take_along_axis(stacked, which, axis=0)[0]
    return chosen
