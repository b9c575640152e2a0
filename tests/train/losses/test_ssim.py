"""Structural similarity as a loss."""

from __future__ import annotations

import pytest
import torch

from trifuse.train.losses.ssim import ssim_map


def test_ssim_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(16, 16, dtype=torch.float64, generator=generator) * 2 - 1
    y = x + 0.3 * torch.randn(16, 16, dtype=torch.float64, generator=generator)
    _, expected = metrics.structural_similarity(
        x.numpy(), y.numpy(), data_range=2.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    ours = ssim_map(x[None, None], y[None, None], 2.0)[0, 0]
    torch.testing.assert_close(ours[5:-5, 5:-5], torch.from_numpy(expected)[5:-5, 5:-5])
