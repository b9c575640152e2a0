"""Consistency of enlarged pictures with the small ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trifuse.core import resize
from trifuse.nets.consistency import consistent


def smaller(picture: Tensor, scale: int) -> Tensor:
    height, width = (n // scale for n in picture.shape[2:])
    return torch.from_numpy(resize.pillow(picture[0].numpy(), (height, width)).clip(0, 1))[None]


def pair(height: int, width: int, scale: int, seed: int) -> tuple[Tensor, Tensor]:
    """A smooth picture with black and saturated parts, and a bad guess at it."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 3, height * scale, width * scale, generator=random)
    truth = (torch.nn.functional.avg_pool2d(noise, 5, 1, 2, count_include_pad=False) * 2 + 0.4).clamp(0, 1)
    guess = (truth + 0.2 * torch.randn(truth.shape, generator=random)).clamp(0, 1)
    return truth, guess


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 24), st.integers(5, 24), st.sampled_from([2, 4, 8]), st.integers(0, 10**6))
def test_the_error_does_not_grow_and_the_gap_closes(height: int, width: int, scale: int, seed: int) -> None:
    truth, guess = pair(height, width, scale, seed)
    small = smaller(truth, scale)
    better = consistent(guess, small)
    assert (better - truth).square().mean() < (guess - truth).square().mean()
    gap = (smaller(better, scale) - small).square().mean()
    assert gap < 0.25 * (smaller(guess, scale) - small).square().mean()
    assert better.min() >= 0
    assert better.max() <= 1


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_truth_is_left_alone(scale: int) -> None:
    truth, _ = pair(16, 24, scale, 0)
    np.testing.assert_allclose(consistent(truth, smaller(truth, scale)), truth, atol=1e-5)


def test_a_batch_is_its_pictures_each() -> None:
    truths, guesses = zip(*(pair(12, 9, 2, seed) for seed in (1, 2)), strict=True)
    small = torch.cat([smaller(truth, 2) for truth in truths])
    both = consistent(torch.cat(guesses), small)
    for index, guess in enumerate(guesses):
        torch.testing.assert_close(both[index : index + 1], consistent(guess, small[index : index + 1]))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_black_stays_black(scale: int) -> None:
    small = torch.zeros(1, 3, 10, 12)
    small[:, :, 4:6, 5:8] = 0.7
    larger = consistent(torch.full((1, 3, 10 * scale, 12 * scale), 0.1), small)
    foreground = torch.zeros(10 * scale, 12 * scale, dtype=torch.bool)
    foreground[3 * scale : 7 * scale, 4 * scale : 9 * scale] = True
    assert (larger[..., ~foreground] == 0).all()
    assert (larger[..., 4 * scale : 6 * scale, 5 * scale : 8 * scale] > 0.15).all()
