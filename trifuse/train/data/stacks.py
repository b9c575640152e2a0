"""Where the diffusion models' pictures come from: condition and truth, stacked along channels as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Phase
from trifuse.train.data.drawn import note
from trifuse.train.data.images import Picture, PictureSampler
from trifuse.train.data.official import OfficialFolder, layout_of
from trifuse.train.data.prepared import Maker, Square, Whole
from trifuse.train.data.single import cropped
from trifuse.train.settings.data import OfficialLayout


class Stacks(Protocol):
    """A data set: each entry is the condition's pictures and then the truth, `(3 n, H, W)` bytes."""

    def __len__(self) -> int:
        """Number of entries."""
        ...

    def whole(self, index: int, scale: int) -> Pixels:
        """Entry `index` at full size."""
        ...

    def patch(self, scale: int, side: int, random: np.random.Generator) -> Pixels:
        """A random square of a random entry, augmented."""
        ...


@dataclass(frozen=True, eq=False)
class WholeStacks:
    """Whole cases with sources enlarged and fused beforehand, at every scale."""

    entries: Sequence[Whole]
    maker: Maker

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.entries)

    def whole(self, index: int, scale: int) -> Pixels:
        """See `Stacks`."""
        return np.asarray(self.maker.stack(self.entries[index], scale))

    def patch(self, scale: int, side: int, random: np.random.Generator) -> Pixels:
        """A square of a case."""
        index = int(random.integers(len(self)))
        note(self.entries[index].case.name)
        return _turned(self.whole(index, scale), side, random)


@dataclass(frozen=True, eq=False)
class SquareStacks:
    """Squares of cases with sources enlarged and fused beforehand, each at one scale, the scales in turn."""

    entries: Sequence[Square]
    maker: Maker
    scales: Sequence[int]

    @cached_property
    def _read(self) -> dict[int, list[NDArray[np.uint8]]]:
        turns = [(entry, self.scales[index % len(self.scales)]) for index, entry in enumerate(self.entries)]
        made = self.maker.make_all(turns)
        return {
            scale: [stack for stack, (_, at) in zip(made, turns, strict=True) if at == scale] for scale in self.scales
        }

    def __len__(self) -> int:
        """Number of squares."""
        return len(self.entries)

    def whole(self, index: int, scale: int) -> Pixels:
        """See `Stacks`; counts the squares of that scale."""
        return np.asarray(self._read[scale][index % len(self._read[scale])])

    def patch(self, scale: int, side: int, random: np.random.Generator) -> Pixels:
        """A square of a square."""
        index = int(random.integers(len(self._read[scale])))
        note(self.entries[self.scales.index(scale) + index * len(self.scales)].name)
        return _turned(self.whole(index, scale), side, random)


def _turned(stack: Pixels, side: int, random: np.random.Generator) -> Pixels:
    """A square, flipped or turned; the first two sources change places at random, which fusion does not notice."""
    square = augment.crop(stack, side, random)
    if len(square) >= 12 and random.random() < 0.5:
        square = np.concatenate([square[3:6], square[:3], square[6:]])
    return np.asarray(augment.turned(square, int(random.integers(8))), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class SingleStacks:
    """Single pictures: bicubic and sharp."""

    pictures: Sequence[Picture]
    shares: Mapping[str, float]

    @cached_property
    def _sampler(self) -> PictureSampler:
        return PictureSampler(self.pictures, self.shares)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pictures)

    def whole(self, index: int, scale: int) -> Pixels:
        """See `Stacks`."""
        sharp = cropped(augment.grey_to_rgb(self.pictures[index].pixels), scale)
        return np.concatenate([augment.degraded(sharp, scale)[1], sharp])

    def patch(self, scale: int, side: int, random: np.random.Generator) -> Pixels:
        """An augmented square, degraded on the fly."""
        sharp = self._sampler.patch(side, random)
        return np.concatenate([augment.degraded(sharp, scale)[1], sharp])


@dataclass(frozen=True, eq=False)
class OfficialStacks:
    """The pictures of an official layout as they lie; one scale."""

    folder: OfficialFolder | None

    @classmethod
    def of(cls, data: OfficialLayout, phase: Phase) -> OfficialStacks:
        """The data set of a phase, empty where the recipe names no validation set."""
        return cls(layout_of(data, phase))

    def __len__(self) -> int:
        """Number of items."""
        return 0 if self.folder is None else len(self.folder)

    def whole(self, index: int, scale: int) -> Pixels:
        """See `Stacks`.

        Raises:
            InputError: if the folders hold another scale.
        """
        assert self.folder is not None
        if scale != self.folder.high // self.folder.low:
            raise InputError(
                f"the folders hold x{self.folder.high // self.folder.low}, not x{scale}; mend schedule.sides"
            )
        read = self.folder.pictures(index)
        return np.concatenate([*(pixels for name, pixels in read.items() if name.endswith("SR")), read["HR"]])

    def patch(self, scale: int, side: int, random: np.random.Generator) -> Pixels:
        """A square, mirrored left to right half of the time, as in the original programs."""
        index = int(random.integers(len(self)))
        assert self.folder is not None
        note(self.folder.names[index])
        square = augment.crop(self.whole(index, scale), side, random)
        return np.ascontiguousarray(square[..., ::-1]) if random.random() < 0.5 else square
