"""What no source has: isolated extremes, and grey in a background that is black."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, maximum_filter

from trifuse.core.random import Random
from trifuse.filters.extremes import black_kept, without_specks
from trifuse.methods.dwt import DWT


def alone(fused: NDArray[np.floating], sources: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Extremes that no source has within one sample, by plain filters."""
    around = np.ones((3,) * fused.ndim, bool)
    around[(1,) * fused.ndim] = False
    found = np.zeros(fused.shape, bool)
    for sign in (1, -1):

        def peaks(x: NDArray[np.floating], sign: int = sign) -> NDArray[np.bool_]:
            above: NDArray[np.bool_] = sign * x > maximum_filter(sign * x, footprint=around, mode="constant", cval=-1e9)
            return above

        theirs = np.any([peaks(source) for source in sources], axis=0)
        found |= peaks(fused) & ~maximum_filter(theirs, footprint=generate_binary_structure(fused.ndim, fused.ndim))
    return found


@pytest.mark.parametrize("shape", [(1, 30, 31), (9, 10, 11)])
def test_only_extremes_of_no_source_are_levelled(shape: tuple[int, ...]) -> None:
    fused, *sources = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    before = alone(fused, np.stack(sources))
    clean = without_specks(fused, np.stack(sources))
    assert before.any()
    assert np.array_equal(clean != fused, before)
    assert not alone(clean, np.stack(sources))[before].any()


def test_black_stays_black_and_tissue_is_left_alone() -> None:
    sources = np.zeros((2, 1, 20, 20), np.float32)
    sources[:, :, 5:15, 5:15] = [[[[0.5]]], [[[0.8]]]]
    halo = np.full((1, 20, 20), 0.3, np.float32)
    held = black_kept(halo, sources, 0.05)
    assert (held[0, :4] == 0).all()
    assert (held[0, 4:16, 4:16] == np.float32(0.3)).all()


@pytest.mark.parametrize("space", [(48, 50), (20, 24, 22)])
def test_wavelets_leave_a_black_background_black(space: tuple[int, ...]) -> None:
    centre = tuple(slice(n // 3, 2 * n // 3) for n in space)
    sources = torch.zeros(2, 1, 1, *space)
    sources[0, 0, 0][centre] = 0.9
    sources[1, 0, 0][tuple(slice(s.start + 2, s.stop) for s in centre)] = 0.6
    fused = DWT().fuse(list(sources), scale=1, random=Random(0)).mean[0, 0]
    beyond = torch.ones(space, dtype=torch.bool)
    beyond[tuple(slice(s.start - 1, s.stop + 1) for s in centre)] = False
    assert fused[beyond].abs().max() == 0
    assert fused[centre].mean() > 0.3
