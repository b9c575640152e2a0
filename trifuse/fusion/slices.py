"""Volumes through 2D methods: slice by slice, side by side, with one stretch for the whole volume.

Every slice is computed by one thread and draws from its own seed, so that the result has the same bits for any number
of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from trifuse.core import cores
from trifuse.core.progress import track
from trifuse.core.random import Random
from trifuse.methods.base import Estimate, range_of

Steps = Generator[Tensor, tuple[Tensor, Tensor], Estimate]
"""A fusion on its way: it yields what is to be stretched by range, and goes on when it is sent the range."""


def alone(steps: Steps) -> Estimate:
    """A fusion of pictures, or of whole volumes, that are stretched by their own range."""
    said = _advanced(steps, None)
    while not isinstance(said, Estimate):
        said = _advanced(steps, range_of(said))
    return said


def by_slices(
    start: Callable[[list[Tensor], Random], Steps], sources: Sequence[Tensor], axis: int, workers: int, random: Random
) -> Estimate:
    """Fuses `(B, C, X, Y, Z)` slice by slice along `axis` (0, 1, 2) and stacks the results there.

    Args:
        start: begins with the sources of a slice.
        workers: slices at a time, one thread each; 0 for torch's number of threads (`OMP_NUM_THREADS`), one on GPUs.
        random: slice k draws from `slice_random(random, k)`.
    """
    count = sources[0].shape[2 + axis]
    cuts = ([source.select(2 + axis, index) for source in sources] for index in range(count))
    slices = [start(cut, slice_random(random, index)) for index, cut in enumerate(cuts)]
    at_once = _workers(workers, sources[0].device, count)
    common: tuple[Tensor, Tensor] | None = None
    while True:
        volume = _Volume(2 + axis, count)
        said = _side_by_side(partial(_advance, slices, common, volume), count, at_once)
        ranges = [each for each in said if each is not None]
        if not ranges:
            return volume.estimate
        lows, highs = zip(*ranges, strict=True)
        common = torch.stack(lows).amin(dim=0), torch.stack(highs).amax(dim=0)


Range = tuple[Tensor, Tensor]
"""Least and largest value of a slice, `(B, 1, 1, 1)` each."""


def _advance(slices: Sequence[Steps], sent: Range | None, volume: _Volume, index: int) -> Range | None:
    """Takes one slice a step further: to the range that it waits with, or into the volume."""
    said = _advanced(slices[index], sent)
    if not isinstance(said, Estimate):
        return range_of(said)
    volume.take(index, said)
    return None


class _Volume:
    """The volume that slices are put into as they are done, so that none is held twice."""

    def __init__(self, axis: int, count: int) -> None:
        self.axis, self.count = axis, count
        self.lock = Lock()
        self.mean: Tensor | None = None
        self.std: Tensor | None = None

    def take(self, index: int, made: Estimate) -> None:
        """Slice `index`, from any thread."""
        with self.lock:
            if self.mean is None:
                self.mean = self._empty(made.mean)
                self.std = None if made.std is None else self._empty(made.std)
        self.mean.select(self.axis, index).copy_(made.mean)
        if self.std is not None and made.std is not None:
            self.std.select(self.axis, index).copy_(made.std)

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_empty(*like.shape[: self.axis], self.count, *like.shape[self.axis :])

    @property
    def estimate(self) -> Estimate:
        """All of them."""
        assert self.mean is not None
        return Estimate(self.mean, self.std)


def _advanced(steps: Steps, sent: tuple[Tensor, Tensor] | None) -> Tensor | Estimate:
    """What is to be stretched next, or the end of the fusion."""
    try:
        return next(steps) if sent is None else steps.send(sent)
    except StopIteration as end:
        fused: Estimate = end.value
        return fused


def slice_random(random: Random, index: int) -> Random:
    """The randomness of slice `index`, which depends on the seed and the index alone."""
    return Random(int(np.random.SeedSequence([random.seed, index]).generate_state(1)[0]))


def _workers(asked: int, device: torch.device, count: int) -> int:
    usual = torch.get_num_threads() if device.type == "cpu" else 1
    return max(1, min(asked or usual, count))


def _side_by_side(one: Callable[[int], Range | None], count: int, workers: int) -> list[Range | None]:
    """`[one(0), ..., one(count - 1)]`; the first alone, so that weights and kernels are loaded once."""
    autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def in_thread(index: int) -> Range | None:
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
