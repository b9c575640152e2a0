"""Volumes through 2D methods: slice by slice, side by side, with one stretch for the whole volume.

Every slice is computed by one thread and draws from its own seed, so that the result has the same bits for any number
of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor

from trifuse.core import cores
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.methods.base import Card, Method, Spread, Stretcher

Fuse = Callable[[Method, list[Tensor], Random], Tensor | Spread]
"""What is done to the sources of one slice with a method."""


def by_slices(
    fuse: Fuse, method: Method, sources: Sequence[Tensor], axis: int, workers: int, random: Random
) -> Tensor | Spread:
    """Fuses `(B, C, X, Y, Z)` slice by slice along `axis` (0, 1, 2) and stacks the results there.

    Args:
        workers: slices at a time, one thread each; 0 for torch's number of threads (`OMP_NUM_THREADS`), one on GPUs.
        random: slice k draws from `slice_random(random, k)`.
    """
    count = sources[0].shape[2 + axis]
    stretches: list[tuple[Tensor, Tensor]] = []
    ones = [_Slice(method, stretches) if isinstance(method, Stretcher) else method for _ in range(count)]

    def one(index: int) -> Tensor | Spread | None:
        cut = [source.select(2 + axis, index) for source in sources]
        mine = ones[index]
        if isinstance(mine, _Slice):
            mine.step = 0
        try:
            return fuse(cast(Method, mine), cut, slice_random(random, index))
        except _RangeWantedError:
            return None

    at_once = _workers(workers, sources[0].device, count)
    while True:
        fused = _side_by_side(one, count, at_once)
        done = [result for result in fused if result is not None]
        if len(done) == count:
            return _stacked(done, 2 + axis)
        waiting = [mine.kept[len(stretches)] for mine in ones if isinstance(mine, _Slice)]
        stretches.append(_range_of(waiting))


def slice_random(random: Random, index: int) -> Random:
    """The randomness of slice `index`, which depends on the seed and the index alone."""
    return Random(int(np.random.SeedSequence([random.seed, index]).generate_state(1)[0]))


class _RangeWantedError(Exception):
    """A slice cannot go on before the range of all slices is known."""


@dataclass
class _Slice:
    """A stretching method for one slice: fuses once, and stretches by the range of the volume as soon as it is known.

    Attributes:
        method: what fuses.
        stretches: least and largest value of the volume for each fusion of the folding, shared by all slices.
        kept: fusions of this slice before stretching.
        step: which fusion of the folding is next.
    """

    method: Stretcher
    stretches: list[tuple[Tensor, Tensor]]
    kept: list[Tensor] = field(default_factory=list)
    step: int = 0

    @property
    def card(self) -> Card:
        """The method's."""
        return self.method.card

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Tensor:
        """See `Method.fuse`."""
        if self.step == len(self.kept):
            self.kept.append(self.method.raw(sources, scale=scale, random=random))
        if self.step == len(self.stretches):
            raise _RangeWantedError
        self.step += 1
        return self.method.shown(self.kept[self.step - 1], *self.stretches[self.step - 1])


def _range_of(slices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Least and largest value `(B, 1, 1, 1)` over all slices `(B, C, H, W)`."""
    low = torch.stack([x.amin(dim=(1, 2, 3), keepdim=True) for x in slices]).amin(dim=0)
    high = torch.stack([x.amax(dim=(1, 2, 3), keepdim=True) for x in slices]).amax(dim=0)
    return low, high


def _workers(asked: int, device: torch.device, count: int) -> int:
    usual = torch.get_num_threads() if device.type == "cpu" else 1
    return max(1, min(asked or usual, count))


def _side_by_side(
    one: Callable[[int], Tensor | Spread | None], count: int, workers: int
) -> list[Tensor | Spread | None]:
    """`[one(0), ..., one(count - 1)]`; the first alone, so that weights and kernels are loaded once."""
    autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def in_thread(index: int) -> Tensor | Spread | None:
        torch.set_num_threads(1)
        with torch.inference_mode(), torch.autocast("cpu", autocast[1], enabled=autocast[0]):
            return one(index)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with cores.shared():
            if workers == 1:
                return [one(index) for index in track(range(count), "slices")]
            results = {0: one(0)}
            with ThreadPoolExecutor(workers) as pool:
                futures = {pool.submit(in_thread, index): index for index in range(1, count)}
                try:
                    finished = as_completed(futures)
                    for done in track(range(count), "slices"):
                        if done > 0:
                            future = next(finished)
                            results[futures[future]] = future.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            return [results[index] for index in range(count)]
    finally:
        torch.set_num_threads(before)


def _stacked(slices: Sequence[Tensor | Spread], axis: int) -> Tensor | Spread:
    spreads = [one for one in slices if isinstance(one, Spread)]
    if spreads:
        return Spread(torch.stack([s.mean for s in spreads], dim=axis), torch.stack([s.std for s in spreads], dim=axis))
    return torch.stack([one for one in slices if isinstance(one, Tensor)], dim=axis)
