"""The corrected loss does what the paper wants of it."""

from __future__ import annotations

import pytest
import torch

from trifuse.diffusion import losses
from trifuse.diffusion.denoiser import noised, prediction


def case(level: float) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=generator) * 2 - 1
    noise = torch.randn(2, 3, 16, 16, dtype=torch.float64, generator=generator)
    a = torch.full((2, 1, 1, 1), level, dtype=torch.float64)
    return x0, noise, a, noised(x0, noise, a)


@pytest.mark.parametrize("name", ["noise", "x0", "v"])
def test_a_perfect_prediction_costs_nothing(name: str) -> None:
    x0, noise, level, x = case(0.7)
    perfect = prediction(name).target(x0, noise, level)
    assert losses.psf(perfect, x, x0, noise, level, prediction(name)).item() == pytest.approx(0, abs=1e-9)
    assert losses.psf(perfect + 0.1, x, x0, noise, level, prediction(name)).item() > 0.05


def test_the_gradient_stays_bounded_in_noise() -> None:
    steepest = {}
    for weighting in ("alpha_bar", "none"):
        x0, noise, level, x = case(0.01)
        said = (noise + 0.001 * torch.randn_like(noise)).requires_grad_()
        loss = losses.psf(said, x, x0, noise, level, prediction("noise"), weighting=weighting)  # type: ignore[arg-type]
        (loss - losses.sr3(said, noise)).backward()
        assert said.grad is not None
        steepest[weighting] = said.grad.abs().max().item()
    assert steepest["alpha_bar"] < 1e-3 * steepest["none"]


def test_ssim_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    x0, noise, *_ = case(0.5)
    x, y = x0[0, 0], (x0 + 0.3 * noise)[0, 0]
    _, expected = metrics.structural_similarity(
        x.numpy(), y.numpy(), data_range=2.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    ours = losses.ssim_map(x[None, None], y[None, None], 2.0)[0, 0]
    torch.testing.assert_close(ours[5:-5, 5:-5], torch.from_numpy(expected)[5:-5, 5:-5])


@pytest.mark.parametrize("weighting", ["alpha_bar", "alpha", "min_snr", "none"])
def test_weights_lie_between_0_and_1(weighting: str) -> None:
    level = torch.tensor([1e-4, 0.5, 0.99999], dtype=torch.float64)
    weight = losses.structure_weight(level, weighting)  # type: ignore[arg-type]
    assert (weight >= 0).all()
    assert (weight <= 1).all()
    assert (weight.diff() >= 0).all()
