"""Wavelet fusion."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from trifuse.core.errors import OptionError
from trifuse.core.random import Random
from trifuse.methods.dwt import DWT


def fuse(*sources: torch.Tensor, **options: object) -> torch.Tensor:
    return DWT(**options).fuse(sources, scale=1, random=Random(0)).picture  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1, 33, 40), (2, 1, 16, 17), (1, 1, 9, 12, 10), (1, 1, 1, 5)])
def test_equal_sources_come_back(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fuse(x, x, x), x, atol=1e-5)


def test_coefficients_follow_the_rule() -> None:
    a, b = torch.rand(2, 1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    fused = fuse(a, b, wavelet="haar", levels=1)[0, 0].numpy()
    parts = [pywt.dwt2(x[0, 0].numpy(), "haar") for x in (a, b, torch.from_numpy(fused)[None, None])]
    assert np.allclose(parts[2][0], (parts[0][0] + parts[1][0]) / 2, atol=1e-5)
    for band in range(3):
        first, second, chosen = (part[1][band] for part in parts)
        assert np.allclose(chosen, np.where(np.abs(first) >= np.abs(second), first, second), atol=1e-5)


def test_order_does_not_matter() -> None:
    a, b, c = torch.rand(3, 1, 1, 24, 20, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(fuse(a, b, c), fuse(c, a, b), atol=1e-6)


def test_unknown_wavelet_is_reported() -> None:
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(OptionError, match="no discrete wavelet is called 'db99'"):
        fuse(x, x, wavelet="db99")
