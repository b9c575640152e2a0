"""DDFM as users meet it, with untrained priors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.diffusion.test_prior import own, published
from trifuse.errors import OptionError, WeightsError
from trifuse.filters.laplace_em import laplace_step, mean_distance
from trifuse.methods.ddfm import DDFM
from trifuse.random import Random


def sources(count: int, batch: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.rand(batch, 1, 15, 18, generator=generator) for _ in range(count)]


@torch.inference_mode()
@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_result_lies_among_the_sources(tmp_path: Path, count: int) -> None:
    given = sources(count)
    fused = DDFM(prior=own(tmp_path), steps=8, sampler="ddim", trust=1e-3).fuse(given, scale=1, random=Random())
    stacked = torch.stack(given)
    assert fused.shape == given[0].shape
    outside = (fused - stacked.amax(dim=0)).clamp_min(0) + (stacked.amin(dim=0) - fused).clamp_min(0)
    assert float(outside.mean()) < 0.02


@torch.inference_mode()
def test_order_batches_and_seeds(tmp_path: Path) -> None:
    method = DDFM(prior=own(tmp_path), steps=3)
    first, second, third = sources(3, batch=2)
    fused = method.fuse([first, second, third], scale=1, random=Random(2))
    turned = method.fuse([third, first, second], scale=1, random=Random(2))
    alone = method.fuse([first[1:], second[1:], third[1:]], scale=1, random=Random(2))
    torch.testing.assert_close(fused, turned, atol=1e-5, rtol=0)
    torch.testing.assert_close(fused[1:], alone, atol=1e-5, rtol=0)
    other = method.fuse([first, second, third], scale=1, random=Random(3))
    assert (fused - other).abs().max() > 1e-4


@torch.inference_mode()
def test_equal_sources_are_kept(tmp_path: Path) -> None:
    (one,) = sources(1)
    fused = DDFM(prior=own(tmp_path), steps=4).fuse([one, one], scale=1, random=Random())
    torch.testing.assert_close(fused, one, atol=0.03, rtol=0)


@torch.inference_mode()
def test_the_published_network_serves_both_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = published(tmp_path)
    given = sources(2)
    corrected = DDFM(prior=file, steps=2, sampler="ddim").fuse(given, scale=1, random=Random())
    reference = DDFM(prior=file, steps=3, variant="reference").fuse(given, scale=1, random=Random())
    assert corrected.shape == reference.shape == given[0].shape
    assert (float(reference.min()), float(reference.max())) == (0, 1)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    file = own(tmp_path)
    with pytest.raises(WeightsError, match="guided diffusion"):
        DDFM(prior=file, variant="reference").fuse(sources(2), scale=1, random=Random())
    with pytest.raises(OptionError, match="two sources"):
        DDFM(prior=file, variant="reference").fuse(sources(3), scale=1, random=Random())
    with pytest.raises(OptionError, match="trust"):
        DDFM(prior=file, trust=0).fuse(sources(2), scale=1, random=Random())
    with pytest.raises(OptionError, match="noise above"):
        DDFM(prior=file, noise=0).fuse(sources(2), scale=1, random=Random())
    with pytest.raises(WeightsError, match="--option prior=FILE"):
        DDFM(prior="nobodys").fuse(sources(2), scale=1, random=Random())


def test_the_step_is_the_weighted_fit() -> None:
    generator = torch.Generator().manual_seed(0)
    proposal = torch.rand(2, 1, 5, 6, generator=generator)
    given = torch.rand(3, 2, 1, 5, 6, generator=generator)
    scale = torch.rand(2, 1, 1, 1, generator=generator) + 0.1
    fused, spread = laplace_step(proposal, given, scale, 0.3)
    weights = 1 / (scale * (proposal - given).abs().clamp_min(1e-2))
    gradient = (weights * (fused - given)).sum(dim=0) + (fused - proposal) / 0.3
    assert float(gradient.abs().max()) < 1e-3  # where the quadratic bound of the cost is least
    torch.testing.assert_close(spread[1, 0, 0, 0], (fused - given)[:, 1].abs().mean())


def test_no_source_wins_everywhere() -> None:
    """Steps without a say of the prior leave both sources in the image: neither is copied."""
    generator = torch.Generator().manual_seed(1)
    given = torch.rand(2, 1, 1, 12, 12, generator=generator)
    fused = given.mean(dim=0) + 0.1 * torch.randn(1, 1, 12, 12, generator=generator)
    scale = mean_distance(fused, given)
    for _ in range(30):
        fused, scale = laplace_step(fused, given, scale, 1e4)
    distances = (fused - given).abs().mean(dim=(1, 2, 3, 4))
    assert float(distances.min() / distances.max()) > 0.5
