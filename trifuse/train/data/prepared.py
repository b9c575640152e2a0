"""What the fusing network sees and must say, made once per case and scale and kept on disk.

A prepared case is a stack of bytes: the sources enlarged from their small versions, the analytic fusion of those,
and the truth, the fusion of the sources at full resolution. Fusing takes a second or so; reading a stack, nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trifuse.core.files import publish
from trifuse.core.image import Image
from trifuse.core.progress import track
from trifuse.train.data import augment, palettes
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Case, CaseSampler
from trifuse.train.data.images import load
from trifuse.train.settings.prepared import Truth

Enlarge = Callable[[Pixels, Pixels], NDArray[np.float32]]
"""`(3, h, w)` small and `(3, H, W)` bicubic bytes -> `(3, H, W)` float32 in 0..1."""


def fuse(sources: Sequence[NDArray[np.floating]], truth: Truth) -> NDArray[np.float32]:
    """Sources `(3, H, W)` in 0..1 fused by the recipe's method, `(3, H, W)` in 0..1."""
    from trifuse import fusion

    images = [Image(np.clip(_grey_as_one(source), 0, 1).astype(np.float32)) for source in sources]
    fused = fusion.fuse(images, truth.method, colour="luma", options=truth.options).image.pixels
    return np.clip(np.broadcast_to(fused, (3, *fused.shape[1:])), 0, 1).astype(np.float32)


def _grey_as_one(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    return pixels[:1] if (pixels == pixels[:1]).all() else pixels


COUNT = 3
"""Sources of a prepared case."""


@dataclass(frozen=True)
class Whole:
    """A case as it is."""

    case: Case

    def sources(self) -> list[Pixels]:
        """The sources `(3, H, W)` at full resolution; of two, the structural one comes twice."""
        pictures = [load(path) for path in self.case.sources]
        return [augment.grey_to_rgb(pixels) for pixels in [pictures[0]] * (COUNT - len(pictures)) + pictures]

    def truth(self) -> Pixels | None:
        """The fused picture `(3, H, W)` where it is given with the case."""
        return None if self.case.truth is None else augment.grey_to_rgb(load(self.case.truth))


@dataclass(frozen=True)
class Square:
    """A square of a drawn case in another contrast, palette and orientation; it follows from seed and number.

    Attributes:
        sampler: of the cases.
        number: which square.
        seed: of the recipe.
        side: in pixels.
    """

    sampler: CaseSampler
    number: int
    seed: int
    side: int

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.sampler.draw(self._random()).name

    def sources(self) -> list[Pixels]:
        """The sources `(3, side, side)`; a pair's structural picture is repeated in another contrast."""
        return self._cut()[0]

    def truth(self) -> Pixels | None:
        """The square of the fused picture where it is given with the case; such cases keep their contrast."""
        return self._cut()[1]

    def _random(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.number, 2])

    def _cut(self) -> tuple[list[Pixels], Pixels | None]:
        random = self._random()
        case = self.sampler.draw(random)
        pictures = [load(path) for path in case.sources]
        if case.truth is None:
            while len(pictures) < COUNT:
                pictures.insert(0, augment.recontrast(pictures[0], random))
            pictures = [_varied(pixels, random) for pixels in pictures]
        else:
            pictures = [pictures[0]] * (COUNT - len(pictures)) + pictures + [load(case.truth)]
        stack = np.concatenate([augment.grey_to_rgb(pixels) for pixels in pictures])
        square = augment.turned(augment.crop(stack, self.side, random), int(random.integers(8)))
        parts = [square[at : at + 3].astype(np.uint8, copy=False) for at in range(0, len(square), 3)]
        return parts[:COUNT], parts[COUNT] if len(parts) > COUNT else None


def _varied(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A picture in another contrast or palette, two times in three."""
    change = random.random() < 0.67
    if not change:
        return pixels
    if pixels.shape[0] == 1:
        return augment.recontrast(pixels, random)
    uptake = palettes.uptake(pixels)
    return pixels if uptake is None else augment.repaint(uptake, random)


Entry = Whole | Square


@dataclass(frozen=True)
class Maker:
    """Makes prepared cases.

    Attributes:
        truth: how pictures are fused.
        enlarge: how sources are upsampled.
        analytic: whether the fusion of the enlarged sources is wanted.
        cache: folder.
        key: what distinguishes `enlarge` (the digest of its weights) in the cache.
        change: applied to every stack, with its scale, after it is read.
    """

    truth: Truth
    enlarge: Enlarge
    analytic: bool
    cache: Path
    key: str
    change: Callable[[Pixels, int], Pixels] | None = None

    def stack(self, entry: Entry, scale: int) -> NDArray[np.uint8]:
        """`(9 [+ 3] + 3, H, W)` bytes: enlarged sources, their fusion if wanted, truth; mapped unless changed."""
        sources = entry.sources()
        path = self.cache / f"{self._digest(sources, str(scale), self.key, str(self.analytic))}.npy"
        if not path.exists():
            enlarged = [self.enlarge(*augment.degraded(pixels, scale)) for pixels in sources]
            fused = [bytes_of(fuse(enlarged, self.truth))] if self.analytic else []
            _save(path, np.concatenate([*map(bytes_of, enlarged), *fused, self.sharp(entry, sources)]))
        stack: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return stack if self.change is None else self.change(stack, scale)

    def sharp(self, entry: Entry, sources: Sequence[Pixels]) -> Pixels:
        """The truth `(3, H, W)`: given with the case, or fused from the sources at full resolution."""
        given = entry.truth()
        if given is not None:
            return given
        path = self.cache / f"{self._digest(sources, 'truth')}.npy"
        if not path.exists():
            _save(path, bytes_of(fuse([pixels / 255 for pixels in sources], self.truth)))
        truth: Pixels = np.load(path)
        return truth

    def make_all(self, entries: Sequence[tuple[Entry, int]]) -> list[NDArray[np.uint8]]:
        """The stacks of entries at scales, made where the cache lacks them, with progress."""
        return [self.stack(entry, scale) for entry, scale in track(entries, "fusing the cases")]

    def _digest(self, sources: Sequence[Pixels], *keys: str) -> str:
        digest = hashlib.sha256(json.dumps([self.truth.model_dump(), keys]).encode())
        for pixels in sources:
            digest.update(np.ascontiguousarray(pixels).tobytes())
        return digest.hexdigest()[:32]


def bytes_of(pixels: NDArray[np.floating]) -> Pixels:
    """0..1 -> bytes, rounded."""
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)


def _save(path: Path, array: NDArray[np.uint8]) -> None:
    """Whole or not at all, also with several processes making the same file."""
    publish(path, lambda draft: np.save(draft, array), None)
