"""The Laplacian pyramid: perfect reconstruction, and the rule that fuses it."""

from __future__ import annotations

import pytest
import torch

from trifuse.core.random import Random
from trifuse.methods.laplacian import Laplacian, collapse, expand, laplacian_pyramid, reduce


@pytest.mark.parametrize("size", [(37, 45), (64, 64), (5, 31), (1, 9)])
def test_collapse_is_the_inverse(size: tuple[int, int]) -> None:
    image = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(collapse(laplacian_pyramid(image, 4)), image, atol=1e-6)


def test_a_constant_image_has_no_detail() -> None:
    *details, base = laplacian_pyramid(torch.full((1, 1, 37, 45), 0.6), 3)
    assert len(details) == 3
    assert all(detail.abs().max() < 1e-6 for detail in details)
    assert torch.allclose(base, torch.tensor(0.6))
    assert base.shape == (1, 1, 5, 6)


def test_reduce_and_expand_keep_a_ramp() -> None:
    ramp = torch.arange(33.0)[None, None, None, :].expand(1, 1, 33, 33) / 32
    smaller = reduce(ramp)
    assert torch.allclose(smaller[0, 0, 8, 2:-2], ramp[0, 0, 8, 4:-4:2], atol=1e-6)
    assert torch.allclose(expand(smaller, (33, 33))[0, 0, 8, 4:-4], ramp[0, 0, 8, 4:-4], atol=1e-6)


def test_the_stronger_detail_and_the_mean_base_win() -> None:
    flat, spot = torch.full((1, 1, 33, 33), 0.2), torch.full((1, 1, 33, 33), 0.4)
    spot[..., 16, 16] = 0.9
    fused = Laplacian(levels=3).fuse([flat, spot], scale=1, random=Random(0)).picture
    assert torch.isclose(fused[0, 0, 0, 0], torch.tensor(0.3), atol=1e-5)
    assert fused[0, 0, 16, 16] - fused[0, 0, 0, 0] > 0.45


def test_equal_sources_come_back() -> None:
    image = torch.rand(1, 1, 37, 45, generator=torch.Generator().manual_seed(1))
    fused = Laplacian().fuse([image] * 3, scale=1, random=Random(0)).picture
    assert torch.allclose(fused, image, atol=1e-6)
