"""Volumes through 2D methods: equal bits for any number of workers, and one stretch for all slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import trifuse
from trifuse import Image
from trifuse.core import cores
from trifuse.core.errors import OptionError
from trifuse.core.progress import listening
from trifuse.core.random import Random
from trifuse.fusion.slices import slice_random
from trifuse.methods.base import Card, Estimate, method


@method
@dataclass(frozen=True)
class Stretching:
    """The mean of two, stretched by its own range as published programs do."""

    card: ClassVar[Card] = Card(name="stretching", title="", summary="", sources=(2, 2))

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        return Estimate((sources[0] + sources[1]) / 2, stretch=lambda raw, low, high: (raw - low) / (high - low))


@method
@dataclass(frozen=True)
class Noise:
    """Noise alone."""

    card: ClassVar[Card] = Card(name="noise", title="", summary="", stochastic=True)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        return Estimate(torch.rand(sources[0].shape, generator=random.torch))


def noise(*size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(size, dtype=np.float32)


@pytest.mark.parametrize("name", ["bitonicx", "laplacian", "guided-filter", "dwt"])
def test_workers_do_not_change_a_bit(name: str) -> None:
    a, b = noise(33, 34, 5), noise(33, 34, 5, seed=1)
    one, three = (trifuse.fuse([a, b], name, workers=n).image.pixels for n in (1, 3))
    assert np.array_equal(one, three)


def test_a_slice_draws_from_the_seed_and_its_index_whoever_computes_it() -> None:
    a = noise(8, 8, 6)
    one, four = (trifuse.fuse([a, a], Noise(), seed=7, workers=n).image.pixels for n in (1, 4))
    assert np.array_equal(one, four)
    third = torch.rand(1, 1, 8, 8, generator=slice_random(Random(7), 2).torch)
    assert np.array_equal(one[..., 2], third[0].numpy())
    assert not np.array_equal(one[..., 0], one[..., 1])


def test_a_very_bright_slice_is_stretched_with_its_neighbours_and_leaves_them_equal() -> None:
    object_ = np.zeros((8, 8, 6), np.float32)
    object_[2:6, 2:6] = 0.3
    object_[2:6, 2:6, 4] = 1
    fused = trifuse.fuse([object_, object_], Stretching()).image.pixels[0]
    assert np.allclose(fused[..., :4], object_[..., :4])  # the range of the volume is 0..1: nothing is stretched
    alone = trifuse.fuse([object_[..., 0], object_[..., 0]], Stretching()).image.pixels[0]
    assert alone.max() == 1


def test_every_fusion_of_a_folding_has_one_stretch() -> None:
    a, b, c = (noise(6, 6, 4, seed=seed) for seed in range(3))
    a[..., 3] *= 0.1

    def stretched(x: np.ndarray) -> np.ndarray:
        return (x - x.min()) / (x.max() - x.min())

    fused = trifuse.fuse([a, b, c], Stretching(), workers=2).image.pixels[0]
    assert np.allclose(fused, stretched((stretched((a + b) / 2) + c) / 2), atol=1e-6)


def test_tfs_diff_magnifies_a_tri_modal_volume_in_plane() -> None:
    study = _sample_slab()
    fused = trifuse.fuse(study, "tfs-diff", scale=2, workers=2).image
    assert fused.space == (2 * study[0].space[0], 2 * study[0].space[1], study[0].space[2])
    for corner in np.ndindex(2, 2, 2):
        old = np.array([*(np.array(corner) * study[0].space - 0.5), 1])
        new = np.array([*(np.array(corner) * fused.space - 0.5), 1])
        assert np.allclose(fused.affine @ new, study[0].affine @ old)


def _sample_slab() -> list[Image]:
    from importlib.resources import files

    slab = []
    for name in ("t1", "t2", "pet"):
        image = Image.of(str(files("trifuse.samples") / f"{name}.nii.gz"))
        x, y, z = (n // 2 for n in image.space)
        start = (x - 16, y - 16, z - 1)
        affine = image.affine.copy()
        affine[:3, 3] = (image.affine @ [*start, 1])[:3]
        pixels = image.pixels[:, start[0] : x + 16, start[1] : y + 16, start[2] : z + 1]
        slab.append(Image(np.ascontiguousarray(pixels), affine=affine, modality=image.modality))
    return slab


def test_threads_are_given_back_and_progress_counts_slices() -> None:
    before, seen = torch.get_num_threads(), []
    with listening(lambda *report: seen.append(report)):
        trifuse.fuse([noise(4, 4, 5)] * 2, Stretching(), workers=3)
    assert (seen[0], seen[-1]) == (("slices", 0, 5), ("slices", 5, 5))
    assert torch.get_num_threads() == before
    assert not cores.are_shared()


def test_negative_workers_are_refused() -> None:
    with pytest.raises(OptionError, match="workers"):
        trifuse.fuse([noise(4, 4, 4)] * 2, "mean", workers=-1)
