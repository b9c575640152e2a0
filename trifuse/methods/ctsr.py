"""CTSR: cartoon-texture decomposition, adaptive energy choosing and sparse representation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trifuse import weights
from trifuse.core import colour
from trifuse.core.cost import Cost
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.levels import levels, single
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.methods.base import Card, Estimate, method
from trifuse.methods.ranges import option

if TYPE_CHECKING:
    from trifuse.filters.sparse_coding import Dictionary, FusedTexture

NOTES = """
The paper fuses two greys and one coloured image; here two or more of either kind are taken: greys are fused from left
to right, then the lumas of the coloured ones, and their chroma is merged (YUV, |chroma|-weighted) and joined again.
Images that hold 8-bit levels are computed with at exactly those levels. `dictionary` is "dct" (overcomplete cosines,
by formula: the authors' trained dictionary is for research only and does not ship), or the path of a .npz or .mat file
with one matrix of square patches as columns, each read column by column, such as the authors' D_512.mat. With another
dictionary the texture of each source is still reproduced to the error bound, only the choice between sources differs
(42 to 46 dB between "dct" and the authors'). The method does not denoise: textures are coded to almost full precision.
Images smaller than a patch have no texture code; their textures are averaged.
"""


class Fusion(NamedTuple):
    """Two layers fused, with what the steps in between gave; all (H, W)."""

    fused: NDArray[np.float64]
    cartoons: tuple[NDArray[np.float64], NDArray[np.float64]]
    cartoon: NDArray[np.float64]
    texture: FusedTexture


@method
@dataclass(frozen=True)
class CTSR:
    r"""Fuses layers in pairs: \(F = \mathrm{SR}(P - P_c, Q - Q_c) + \mathrm{AECS}(P_c, Q_c)\), where \(P_c\) and
    \(Q_c\) are the cartoons of P and Q by rolling guidance.

    Source: Jie, Zhou, Tan, Wang, Cheng, Li, "Tri-modal medical image fusion based on adaptive energy choosing scheme
    and sparse representation", Measurement 204, 112038, 2022.
    """

    card: ClassVar[Card] = Card(
        name="ctsr",
        title="CTSR (AECS and sparse representation)",
        summary="Splits each source into cartoon and texture; the brighter cartoon and the texture of richer code win.",
        cites=("jie2022ctsr",),
        paper="Jie et al., Measurement 204, 112038, 2022",
        colour="rgb",
        notes=NOTES.strip(),
        cost=Cost(per_pixel=400, per_source=400, seconds=60),
    )

    dictionary: str = field(default="dct", metadata={"help": "dct, or the path of a .npz or .mat dictionary"})
    sigma_space: float = option(3.0, "scale of what counts as texture, in pixels", above=0)
    sigma_range: float = option(0.05, "contrast of the edges that cartoons keep, of 0..1", above=0)
    overlap: int = option(6, "pixels shared by neighbouring patches", at_least=0)
    epsilon: float = option(0.01, "largest 2-norm of the error of a coded patch", at_least=0)
    threshold: float = option(9e-5, "difference of cartoons up to which sharpness decides", at_least=0)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Greys first, coloured sources last; see `Method.fuse`."""
        greys = [source for source in sources if not _is_coloured(source)]
        coloured = [source for source in sources if _is_coloured(source)]
        split = [colour.split(levels(source), "yuv") for source in coloured]
        lumas = torch.stack([_grey(source) for source in greys] + [luma for luma, _ in split])
        fused = np.stack([self._folded(list(layers)) for layers in lumas[:, :, 0].unbind(1)])
        luma = torch.from_numpy(fused)[:, None]
        if split:
            luma = colour.join(luma, colour.merge_chroma([chroma for _, chroma in split]), "yuv")
        elif any(source.shape[1] == 3 for source in sources):
            luma = luma.expand(-1, 3, -1, -1)
        return Estimate(single(luma).to(sources[0].device))

    def _folded(self, layers: list[Tensor]) -> NDArray[np.float64]:
        dictionary = load_dictionary(self.dictionary)
        if self.overlap >= dictionary.side:
            raise OptionError(
                f"method ctsr, option overlap: {self.overlap} leaves no step; give 0 to {dictionary.side - 1}"
            )
        if min(layers[0].shape) < dictionary.side:
            warnings.warn(
                f"ctsr: sides below {dictionary.side} pixels hold no patch; textures are averaged", stacklevel=2
            )
        first, *others = (layer.numpy() for layer in layers)
        return reduce(lambda a, b: self.fuse_pair(a, b).fused, track(others, "ctsr"), first)

    def fuse_pair(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> Fusion:
        """Fuses two grey layers (H, W) in 0..1; the result is not clipped."""
        from trifuse.filters.energy import choose_energy
        from trifuse.filters.rolling_guidance import rolling_guidance
        from trifuse.filters.sparse_coding import fuse_textures

        cartoon_a, cartoon_b = (rolling_guidance(x, self.sigma_space, self.sigma_range) for x in (a, b))
        dictionary = load_dictionary(self.dictionary)
        texture = fuse_textures(a - cartoon_a, b - cartoon_b, dictionary, overlap=self.overlap, epsilon=self.epsilon)
        cartoon = choose_energy(cartoon_a, cartoon_b, self.threshold)
        return Fusion(texture.fused + cartoon, (cartoon_a, cartoon_b), cartoon, texture)


def load_dictionary(name: str) -> Dictionary:
    """The dictionary "dct", or the one in a .npz or .mat file: one matrix, a patch per column.

    Raises:
        WeightsError: if the file is missing or holds no such matrix.
    """
    if name == "dct":
        return _cosines()
    if not Path(name).is_file():
        raise WeightsError(f"dictionary {name!r} is neither 'dct' nor a file")
    return weights.kept(_read, name)


@cache
def _cosines() -> Dictionary:
    from trifuse.filters.sparse_coding import Dictionary, overcomplete_dct

    return Dictionary.of(overcomplete_dct())


def _read(path: Path) -> Dictionary:
    from trifuse.filters.sparse_coding import Dictionary

    try:
        arrays = _arrays(path)
    except Exception as error:
        raise WeightsError(f"{path}: the dictionary cannot be read as .npz or .mat ({error})") from error
    matrices = [a.astype(np.float64) for a in arrays if a.ndim == 2 and a.dtype.kind in "fiu" and min(a.shape) > 1]
    if len(matrices) != 1 or int(np.sqrt(matrices[0].shape[0])) ** 2 != matrices[0].shape[0]:
        raise WeightsError(f"{path}: a dictionary is one matrix whose columns are square patches, such as 64 x 512")
    if not np.isfinite(matrices[0]).all() or (np.linalg.norm(matrices[0], axis=0) == 0).any():
        raise WeightsError(f"{path}: some atoms of the dictionary are zero or not finite")
    return Dictionary.of(matrices[0])


def _arrays(path: Path) -> list[NDArray[np.generic]]:
    if path.suffix == ".mat":
        from scipy.io import loadmat

        return [value for key, value in loadmat(path).items() if not key.startswith("__")]
    with np.load(path, allow_pickle=False) as file:
        return [file[key] for key in file.files]


def _is_coloured(source: Tensor) -> bool:
    """Whether a source has three channels that differ anywhere."""
    return source.shape[1] == 3 and not bool((source == source[:, :1]).all())


def _grey(source: Tensor) -> Tensor:
    return levels(source[:, :1])
