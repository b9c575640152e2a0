"""What the losses of the papers have in common: least where the result is perfect, gradients everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trifuse.metrics.lpips import distance as metric_distance
from trifuse.metrics.pixels import Pixels
from trifuse.train.losses import cddfuse, contrast, dilran, lpips, regional, swinfuse, tgfuse, u2fusion
from trifuse.train.losses.ssim import similarity, smoothed


def image(seed: int, size: int = 24) -> Tensor:
    return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(seed))


def test_similarity_of_equal_images_is_one() -> None:
    for border, side in (("valid", 14), ("zeros", 24), ("reflect", 24)):
        ssim, contrast = similarity(image(0), image(0), border=border)  # type: ignore[arg-type]
        assert ssim.shape == (2, 1, side, side)
        torch.testing.assert_close(ssim, torch.ones_like(ssim))
        torch.testing.assert_close(contrast, torch.ones_like(contrast))


def test_smoothing_keeps_a_constant() -> None:
    torch.testing.assert_close(smoothed(torch.full((1, 2, 20, 20), 3.0)), torch.full((1, 2, 10, 10), 3.0))


def test_decomposition_is_least_for_alike_bases_and_different_details() -> None:
    a, b = image(1), image(2)
    good = cddfuse.decomposition((a, a), (a, b))
    bad = cddfuse.decomposition((a, b), (a, a))
    assert float(good) < 0.1 < float(bad)


def test_cddfuse_fusion_is_zero_for_the_stronger_source() -> None:
    strong, weak = image(3), torch.zeros(2, 1, 24, 24)
    assert float(cddfuse.fusion(strong, strong, weak).total) == 0.0
    assert float(cddfuse.fusion(weak, strong, weak).total) > 0


def test_tgfuse_ties() -> None:
    same = 255 * image(4)
    assert float(tgfuse.structural(same, same, same)) == 0.0
    torch.testing.assert_close(tgfuse.structural(same, same, same, ties=1.0), torch.tensor(1.0))


def test_u2fusion_weights_images_one_by_one() -> None:
    sources = (image(5), image(6))
    fused = torch.stack([sources[0][0], sources[1][1]])
    right = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(u2fusion.loss(sources, fused, right), torch.tensor(0.0), atol=1e-5, rtol=0)
    assert float(u2fusion.loss(sources, fused, right, weighting="reference")) > 0.1


def test_u2fusion_preserves_the_richer_source() -> None:
    rich, poor = u2fusion.information([image(7)]), u2fusion.information([image(7) / 10])
    degrees = u2fusion.preservation(rich, poor, c=0.01)
    torch.testing.assert_close(degrees.sum(dim=0), torch.ones(2))
    assert bool((degrees[0] > degrees[1]).all())


def test_swinfuse_loss_of_a_perfect_copy() -> None:
    target = image(8, 176) * 2 - 1
    torch.testing.assert_close(swinfuse.loss(target, target), torch.tensor(0.0), atol=1e-2, rtol=0)
    assert float(swinfuse.loss(target.flip(3), target)) > 100


@pytest.mark.parametrize(("low", "high", "top"), [(0.0, 1.0, 1.0), (-0.9, 1.0, 2.0), (0.0, 200.0, 255.0)])
def test_guessed_range(low: float, high: float, top: float) -> None:
    assert swinfuse.guessed_range(torch.tensor([low, high])) == top


def test_dilran_terms() -> None:
    a, b = image(9), image(10)
    assert float(dilran.loss(a, a, None)) == 0.0
    plain = dilran.loss(a, b, None)
    with_features = dilran.loss(a, b, lambda x: [x, x[..., ::2]])
    assert float(with_features) > float(plain) > float(dilran.loss(a, b, None, (0.0, 0.0)))


@pytest.mark.parametrize(
    "loss",
    [
        lambda f, a, b: cddfuse.fusion(f, a, b).total,
        lambda f, a, b: tgfuse.generator(255 * f, 255 * a, 255 * b),
        lambda f, a, b: u2fusion.loss((a, b), f, torch.full((2, 2), 0.5)),
        lambda f, a, b: dilran.loss(f, a, None),
    ],
)
def test_gradients_reach_every_pixel(loss: object) -> None:
    fused = image(11).requires_grad_()
    loss(fused, image(12), image(13)).backward()  # type: ignore[operator]
    assert fused.grad is not None
    assert bool((fused.grad != 0).all())


def test_lpips_is_that_of_the_metric_and_has_gradients(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = data.parent / "weights" / "lpips" / "lpips_alex_v0.1.npz"
    if not weights.exists():
        pytest.skip(f"LPIPS skipped: no {weights}")
    monkeypatch.setenv("TRIFUSE_LPIPS", str(weights))
    x, y = np.random.RandomState(0).randint(0, 256, (2, 64, 64, 3)).astype(np.float64)
    estimate, truth = (torch.from_numpy(v).permute(2, 0, 1)[None].float() / 127.5 - 1 for v in (x, y))
    distance = lpips.distance(estimate.requires_grad_(), truth)
    distance.backward()
    expected = metric_distance(Pixels(x[..., 0], x), Pixels(y[..., 0], y), "alex", weights)
    assert float(distance.detach()) == pytest.approx(expected, rel=1e-4)
    assert estimate.grad is not None
    assert float(estimate.grad.abs().max()) > 0


def test_the_correlation_of_constant_features_is_nothing_and_has_a_finite_slope() -> None:
    flat = torch.full((1, 2, 8, 8), 0.3, requires_grad=True)
    value = cddfuse.correlation(flat, torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)))
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_the_regional_target_carries_structure_through_a_bright_smooth_source() -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    structure = (0.3 + 0.1 * torch.sin(x))[None, None]
    glow = (0.9 * torch.exp(-((x - 24).square() + (y - 24).square()) / 400))[None, None]
    aim = regional.target(structure, glow)
    middle = (..., slice(18, 30), slice(18, 30))
    brightest = torch.maximum(structure, glow)
    assert float(brightest[middle].diff(dim=-1).abs().mean()) < 0.012  # the maximum has lost the waves
    assert float(aim[middle].diff(dim=-1).abs().mean()) > 0.05
    assert float(aim[middle].mean()) == pytest.approx(float(brightest[middle].mean()), abs=0.06)
    volume = regional.target(
        structure[:, :, None].expand(-1, -1, 24, -1, -1), glow[:, :, None].expand(-1, -1, 24, -1, -1)
    )
    assert torch.allclose(volume[:, :, 12], aim, atol=1e-5)  # of equal slices: as in the plane


def test_in_the_regional_target_black_stays_black() -> None:
    dark = torch.zeros(1, 1, 40, 40)
    square = dark.clone()
    square[..., 10:30, 10:30] = 1
    assert torch.equal(regional.target(dark, square)[square == 0], dark[square == 0])


def test_contrast_asks_for_what_the_second_volume_has_and_the_first_lacks() -> None:
    z, y, x = torch.meshgrid(*[torch.arange(40.0)] * 3, indexing="ij")
    anatomy = (0.4 + 0.3 * (x < 20))[None, None]  # an edge at 20
    uptake = sum(0.5 * torch.exp(-((z - 20).square() + (y - at).square() + (x - 30).square()) / 40) for at in (10, 30))
    uptake = 0.1 + torch.as_tensor(uptake)[None, None]
    share = contrast.standing_out(anatomy, uptake)
    assert float(share[..., 20, 10, 30]) > 0.9
    assert float(share[..., 20, 20, 10]) < 0.1
    aim = contrast.target(anatomy, uptake)
    assert float(contrast.loss(aim, anatomy, uptake)) == pytest.approx(0, abs=1e-4)
    blends = [w * anatomy + (1 - w) * uptake for w in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert min(float(contrast.loss(blend, anatomy, uptake)) for blend in blends) > 0.02
