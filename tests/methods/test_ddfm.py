"""DDFM as users meet it, with untrained priors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.diffusion.test_prior import own, published
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.random import Random
from trifuse.filters.laplace_em import laplace_step
from trifuse.filters.source_mixture import mixture_fit
from trifuse.filters.tissue_noise import tissue_noise
from trifuse.methods.ddfm import DDFM


def sources(count: int, batch: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.rand(batch, 1, 15, 18, generator=generator) for _ in range(count)]


def waves(side: int = 48) -> list[torch.Tensor]:
    """Two smooth pictures `(1, 1, side, side)` with black borders and other stripes."""
    place = torch.linspace(0, 1, side)
    window = (place[:, None] * (1 - place[:, None]) * place * (1 - place) * 16).clamp(0, 1)
    stripes = torch.sin(place * 25), torch.sin(place[:, None] * 25)
    return [(window * (0.5 + 0.3 * stripe))[None, None] for stripe in stripes]


def noisy(pictures: list[torch.Tensor], noise: float, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [(p + noise * torch.randn(p.shape, generator=generator)).clamp(0, 1) for p in pictures]


@torch.inference_mode()
@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_result_lies_among_the_sources(tmp_path: Path, count: int) -> None:
    given = sources(count)
    fused = DDFM(prior=own(tmp_path), noise=0).fuse(given, scale=1, random=Random()).picture
    stacked = torch.stack(given)
    assert fused.shape == given[0].shape
    outside = (fused - stacked.amax(dim=0)).clamp_min(0) + (stacked.amin(dim=0) - fused).clamp_min(0)
    assert float(outside.mean()) < 0.04


@torch.inference_mode()
@pytest.mark.parametrize("options", [{"noise": 0}, {"noise": 0.2, "steps": 3}])
def test_order_and_batches(tmp_path: Path, options: dict[str, float]) -> None:
    method = DDFM(prior=own(tmp_path), **options)  # type: ignore[arg-type]
    first, second, third = sources(3, batch=2)
    fused = method.fuse([first, second, third], scale=1, random=Random(2)).picture
    turned = method.fuse([third, first, second], scale=1, random=Random(2)).picture
    alone = method.fuse([first[1:], second[1:], third[1:]], scale=1, random=Random(2)).picture
    torch.testing.assert_close(fused, turned, atol=1e-5, rtol=0)
    torch.testing.assert_close(fused[1:], alone, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_equal_sources_are_kept(tmp_path: Path) -> None:
    one, _ = waves()
    fused = DDFM(prior=own(tmp_path)).fuse([one, one, one], scale=1, random=Random()).picture
    torch.testing.assert_close(fused, one, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_the_prior_cleans_noisy_sources() -> None:
    """With the shipped prior the fused picture is nearer to that of the clean sources; these are left as they are."""
    clean = waves(64)
    wanted = DDFM(noise=0).fuse(clean, scale=1, random=Random()).picture
    torch.testing.assert_close(DDFM().fuse(clean, scale=1, random=Random()).picture, wanted, atol=0, rtol=0)
    seen = noisy(clean, 0.1)
    without, with_prior = (DDFM(noise=n).fuse(seen, scale=1, random=Random()).picture - wanted for n in (0, None))
    assert with_prior.square().mean() < 0.3 * without.square().mean()


@torch.inference_mode()
def test_draws_differ_where_sources_are_noisy(tmp_path: Path) -> None:
    seen = noisy(waves(), 0.1)
    method = DDFM(prior=own(tmp_path))
    drawn = method.draws(seen, scale=1, random=Random(1), count=3)
    torch.testing.assert_close(drawn.mean, method.fuse(seen, scale=1, random=Random(1)).picture)
    assert drawn.std.shape == seen[0].shape
    assert drawn.std.mean() > 1e-3
    assert method.draws(waves(), scale=1, random=Random(1), count=2).std.abs().max() == 0


@torch.inference_mode()
def test_the_published_network_serves_both_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = published(tmp_path)
    given = sources(2)
    corrected = DDFM(prior=file, steps=2, sampler="ddim").fuse(given, scale=1, random=Random()).picture
    reference = DDFM(prior=file, steps=3, variant="reference").fuse(given, scale=1, random=Random()).picture
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
    with pytest.raises(OptionError, match="noise: -1 is out of range; give 0 or more"):
        DDFM(prior=file, noise=-1).fuse(sources(2), scale=1, random=Random())
    with pytest.raises(WeightsError, match="--option prior=FILE"):
        DDFM(prior="nobodys").fuse(sources(2), scale=1, random=Random())


def test_the_step_is_the_weighted_fit() -> None:
    generator = torch.Generator().manual_seed(0)
    proposal, observed = torch.rand(2, 2, 1, 5, 6, generator=generator)
    step = laplace_step(proposal, observed, 0.3)
    distance = (proposal - observed).abs()
    scale = distance.mean(dim=(1, 2, 3), keepdim=True)
    gradient = (step - observed) / (scale * distance.clamp_min(1e-2)) + (step - proposal) / 0.3
    assert float(gradient.abs().max()) < 1e-3  # where the quadratic bound of the cost is least


def test_no_source_wins_everywhere() -> None:
    """Where a source shows more than the other it is followed, in level and contrast; neither is copied."""
    first, second = torch.zeros(2, 1, 1, 32, 32)
    first[..., 4:14] = 0.8
    second[..., 18:28] = 0.8
    fused = mixture_fit(torch.stack([first, second]))
    torch.testing.assert_close(fused, first + second, atol=0.05, rtol=0)


def test_detail_is_kept_at_full_contrast() -> None:
    """Stripes of a dark source keep their height on the even grey of a brighter one, which the mean halves."""
    stripes = 0.3 + 0.2 * (torch.arange(32) // 2 % 2).expand(1, 1, 32, 32)
    fused = mixture_fit(torch.stack([stripes, torch.full_like(stripes, 0.7)]))
    assert fused[..., 4:-4].std() > 0.85 * stripes[..., 4:-4].std()


@pytest.mark.parametrize("noise", [0.02, 0.08])
def test_noise_is_found_in_spite_of_black_borders(noise: float) -> None:
    (seen, _) = noisy(waves(128), noise)
    assert tissue_noise(seen[0, 0]) == pytest.approx(noise, rel=0.25)
    assert tissue_noise(torch.zeros(128, 128)) == tissue_noise(torch.rand(5, 7)) == 0
