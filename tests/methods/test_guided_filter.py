"""Guided-filter fusion."""

from __future__ import annotations

import numpy as np
import torch

from trifuse.core.random import Random
from trifuse.methods.guided_filter import GuidedFilter, guided, saliency, winners


def fuse(*sources: torch.Tensor) -> torch.Tensor:
    return GuidedFilter().fuse(sources, scale=1, random=Random(0)).picture


def test_equal_sources_come_back() -> None:
    x = torch.rand(2, 1, 31, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fuse(x, x, x), x, atol=1e-6)


def test_guided_filter_is_the_linear_model_of_each_window() -> None:
    rng = np.random.default_rng(0)
    guide, image = rng.random((2, 15, 15))
    radius, epsilon = 2, 0.01
    slopes, offsets = np.zeros((2, 15, 15))
    mirrored = [np.pad(x, radius, mode="symmetric") for x in (guide, image)]
    for row in range(15):
        for column in range(15):
            i, p = (x[row : row + 5, column : column + 5].ravel() for x in mirrored)
            slopes[row, column] = np.cov(i, p, bias=True)[0, 1] / (i.var() + epsilon)
            offsets[row, column] = p.mean() - slopes[row, column] * i.mean()
    inner = np.s_[4:-4, 4:-4]
    windows = [np.lib.stride_tricks.sliding_window_view(x, (5, 5)).mean(axis=(2, 3)) for x in (slopes, offsets)]
    expected = windows[0] * guide[2:-2, 2:-2] + windows[1]
    assert np.allclose(guided(image, guide, radius, epsilon)[inner], expected[2:-2, 2:-2], atol=1e-10)


def test_salient_source_wins_where_it_has_edges() -> None:
    edges, flat = np.zeros((64, 64)), np.full((64, 64), 0.5)
    edges[:, ::2] = 1
    masks = winners(np.stack([saliency(edges), saliency(flat)]))
    assert (masks[0] == 1).all()
    tied = winners(np.stack([saliency(flat), saliency(flat)]))
    assert (tied == 0.5).all()


def test_three_sources_in_any_order() -> None:
    a, b, c = torch.rand(3, 1, 1, 24, 20, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(fuse(a, b, c), fuse(b, c, a), atol=1e-5)
