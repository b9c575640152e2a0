"""What the fusing network sees and must say, made once per case and scale and kept on disk.

A prepared case is a stack of bytes: the sources enlarged from their small versions, the closed-form fusion of those,
and the truth, the fusion of the sources at full resolution. Fusing takes a second or so; reading a stack, nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trifuse.image import Image
from trifuse.progress import track
from trifuse.train import augment, palettes
from trifuse.train.augment import Pixels
from trifuse.train.cases import Case
from trifuse.train.images import load
from trifuse.train.recipe import Truth

Enlarge = Callable[[Pixels, Pixels], NDArray[np.float32]]
"""`(3, h, w)` small and `(3, H, W)` bicubic bytes -> `(3, H, W)` float32 in 0..1."""


def fuse(sources: Sequence[NDArray[np.floating]], truth: Truth) -> NDArray[np.float32]:
    """Sources `(3, H, W)` in 0..1 fused by the recipe's method, `(3, H, W)` in 0..1."""
    from trifuse import fusion

    images = [Image(np.clip(_grey_as_one(source), 0, 1).astype(np.float32)) for source in sources]
    fused = fusion.fuse(images, truth.method, options=truth.options).image.pixels
    return np.clip(np.broadcast_to(fused, (3, *fused.shape[1:])), 0, 1).astype(np.float32)


def _grey_as_one(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    return pixels[:1] if (pixels == pixels[:1]).all() else pixels


@dataclass(frozen=True)
class Version:
    """A case as it is (`number` 0) or in other contrasts, palettes and poses (1, 2, ...).

    Attributes:
        case: the case.
        number: which version; all its randomness follows from `seed`, the case's name and this.
        seed: of the recipe.
        count: sources of a case; a case of fewer repeats its first in another contrast.
    """

    case: Case
    number: int = 0
    seed: int = 0
    count: int = 3

    def sources(self) -> list[Pixels]:
        """The sources `(3, H, W)` at full resolution."""
        name = int.from_bytes(hashlib.sha256(self.case.name.encode()).digest()[:4], "little")
        random = np.random.default_rng([self.seed, name, self.number])
        pictures = [load(path) for path in self.case.sources]
        while len(pictures) < self.count:
            pictures.insert(0, augment.recontrast(pictures[0], random))
        if self.number:
            pictures = self._varied(pictures, random)
        return [augment.grey_to_rgb(pixels) for pixels in pictures]

    @staticmethod
    def _varied(pictures: list[Pixels], random: np.random.Generator) -> list[Pixels]:
        pose = int(random.integers(8))
        varied: list[Pixels] = []
        for pixels in pictures:
            uptake = palettes.uptake(pixels) if pixels.shape[0] == 3 else None
            if uptake is not None:
                pixels = augment.repaint(uptake, random)
            elif pixels.shape[0] == 1 and random.random() < 0.7:
                pixels = augment.recontrast(pixels, random)
            varied.append(augment.turned(pixels, pose))  # type: ignore[arg-type]
        return varied


@dataclass(frozen=True)
class Maker:
    """Makes prepared cases.

    Attributes:
        truth: how pictures are fused.
        enlarge: how sources are upsampled.
        closed_form: whether the fusion of the enlarged sources is wanted.
        cache: folder.
        key: what distinguishes `enlarge` (the digest of its weights) in the cache.
    """

    truth: Truth
    enlarge: Enlarge
    closed_form: bool
    cache: Path
    key: str

    def stack(self, version: Version, scale: int) -> NDArray[np.uint8]:
        """`(9 [+ 3] + 3, H, W)` bytes: enlarged sources, their fusion if wanted, truth; memory-mapped."""
        sources = version.sources()
        path = self.cache / f"{self._digest(sources, version, str(scale), self.key, str(self.closed_form))}.npy"
        if not path.exists():
            enlarged = [self.enlarge(*augment.degraded(pixels, scale)) for pixels in sources]
            fused = [bytes_of(fuse(enlarged, self.truth))] if self.closed_form else []
            _save(path, np.concatenate([*map(bytes_of, enlarged), *fused, self.sharp(version, sources)]))
        stack: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return stack

    def sharp(self, version: Version, sources: Sequence[Pixels]) -> Pixels:
        """The truth `(3, H, W)`: given with the case, or fused from the sources at full resolution."""
        if version.case.truth is not None and version.number == 0:
            return augment.grey_to_rgb(load(version.case.truth))
        path = self.cache / f"{self._digest(sources, version, 'truth')}.npy"
        if not path.exists():
            _save(path, bytes_of(fuse([pixels / 255 for pixels in sources], self.truth)))
        truth: Pixels = np.load(path)
        return truth

    def make_all(self, versions: Sequence[Version], scales: Sequence[int]) -> None:
        """Fills the cache, reporting progress."""
        for version in track(versions, "fusing the cases"):
            for scale in scales:
                self.stack(version, scale)

    def _digest(self, sources: Sequence[Pixels], version: Version, *keys: str) -> str:
        digest = hashlib.sha256(json.dumps([self.truth.model_dump(), version.number, keys]).encode())
        for pixels in sources:
            digest.update(np.ascontiguousarray(pixels).tobytes())
        if version.case.truth is not None:
            digest.update(version.case.truth.read_bytes())
        return digest.hexdigest()[:32]


def bytes_of(pixels: NDArray[np.floating]) -> Pixels:
    """0..1 -> bytes, rounded."""
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)


def _save(path: Path, array: NDArray[np.uint8]) -> None:
    """Whole or not at all, also with several processes making the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as opened:
        np.save(opened, array)
    partial.replace(path)
