"""Samplers against each other, `diffusers` and exact answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trifuse.core.errors import OptionError
from trifuse.core.random import Random
from trifuse.diffusion import schedule
from trifuse.diffusion.denoiser import PREDICTIONS, NetworkDenoiser, noised, prediction, sigma
from trifuse.diffusion.samplers import (
    DDIM,
    SAMPLERS,
    Ancestral,
    DPMSolver2M,
    Heun,
    Sampler,
    UniPC,
    gaussian,
    noisy_start,
    replay,
    sample,
)
from trifuse.diffusion.schedule import Schedule
from trifuse.methods import get
from trifuse.methods.base import configure

MEAN, SPREAD = 0.3, 0.4


def posterior_mean(x: Tensor, level: float) -> Tensor:
    """E[x0 | x] for x0 from N(MEAN, SPREAD^2)."""
    noise = (1 - level) * (1 + level)
    return (MEAN * noise + x * level * SPREAD**2) / (level**2 * SPREAD**2 + noise)


def flow(x: Tensor, start: float, end: float) -> Tensor:
    """Exact probability flow of the same Gaussian."""
    widths = [float(np.sqrt(a**2 * SPREAD**2 + schedule.sigma(a) ** 2)) for a in (start, end)]
    return end * MEAN + (x - start * MEAN) * widths[1] / widths[0]


def error(sampler: Sampler, steps: int) -> float:
    levels = schedule.uniform_lambda(steps + 1)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    ours = sample(sampler, posterior_mean, x, levels, replay([]))
    return float((ours - flow(x, levels[0], levels[-1])).abs().max())


@pytest.mark.parametrize(
    ("sampler", "order"), [(DDIM(), 1), (DPMSolver2M(), 2), (Heun(), 2), (UniPC(2), 2.5), (UniPC(3), 3.5)]
)
def test_order_of_convergence(sampler: Sampler, order: float) -> None:
    assert np.log2(error(sampler, 80) / error(sampler, 160)) > order - 0.2


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_step_gives_the_estimate(name: str) -> None:
    levels = schedule.to_clean(schedule.uniform_lambda(4))
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    said: list[Tensor] = []

    def denoise(x: Tensor, level: float) -> Tensor:
        said.append(posterior_mean(x, level).clamp(-1, 1))
        return said[-1]

    torch.testing.assert_close(sample(SAMPLERS.get(name), denoise, x, levels, gaussian(Random(0))), said[-1])


def test_ancestral_is_ddim_with_eta_1() -> None:
    levels = schedule.full(Schedule.make("linear", 30, 1e-4, 0.3))
    noises = torch.randn(30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = noises[-1]
    one, other = (sample(s, posterior_mean, x, levels, replay(noises)) for s in (Ancestral(), DDIM(eta=1.0)))
    torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_ancestral_draws_from_the_data() -> None:
    x = torch.randn(20000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(3)
    levels = schedule.full(Schedule.make("linear", 200, 1e-4, 0.1))
    drawn = sample(
        Ancestral(),
        posterior_mean,
        x,
        levels,
        lambda like: torch.randn(like.shape, dtype=like.dtype, generator=generator),
    )
    assert abs(float(drawn.mean()) - MEAN) < 0.02
    assert abs(float(drawn.std()) - SPREAD) < 0.02


def diffusers_levels(scheduler: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The levels that a scheduler of `diffusers` visits, before its step to the clean image."""
    noise = scheduler.sigmas[:-1].double().numpy()
    return schedule.level_of_noise(noise)


@pytest.mark.parametrize("name", ["dpm++2m", "unipc2", "unipc3"])
def test_agrees_with_diffusers(name: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    common = {"num_train_timesteps": 1000, "prediction_type": "sample", "final_sigmas_type": "zero"}
    if name == "dpm++2m":
        theirs = diffusers.DPMSolverMultistepScheduler(solver_order=2, lower_order_final=False, **common)
    else:
        order = int(name[-1])
        theirs = diffusers.UniPCMultistepScheduler(
            solver_order=order, predict_x0=True, solver_type="bh2", lower_order_final=False, **common
        )
    theirs.set_timesteps(12)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    levels = diffusers_levels(theirs)
    x = x.reshape(-1, 1, 1, 1)
    state, expected = x, []
    for time, level in zip(theirs.timesteps[:-1], levels[:-1], strict=True):  # the last step is to the clean image
        state = theirs.step(posterior_mean(state, float(level)), time, state).prev_sample
        expected.append(state)
    ours = list(SAMPLERS.get(name).walk(posterior_mean, x, levels, replay([])))
    torch.testing.assert_close(torch.stack(ours), torch.stack(expected), atol=2e-5, rtol=0)
    assert len(ours) == len(expected) == 11


def test_ddim_agrees_with_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(
        num_train_timesteps=100, prediction_type="sample", clip_sample=False, set_alpha_to_one=True
    )
    theirs.set_timesteps(100)
    levels = theirs.alphas_cumprod.double().sqrt().numpy()[::-1].copy()
    expected = x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for time, level in zip(theirs.timesteps, levels, strict=True):
        expected = theirs.step(posterior_mean(expected, float(level)), time, expected).prev_sample
    ours = sample(DDIM(), posterior_mean, x, schedule.to_clean(levels), replay([]))
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=0)


def test_a_truncated_start_stays_near_its_guess() -> None:
    guess = torch.full((1, 3, 8, 8), MEAN)
    levels = schedule.to_clean(schedule.uniform_lambda(5, noise_max=0.1))
    start = noisy_start(guess, float(levels[0]), gaussian(Random(0)))
    drawn = sample(DPMSolver2M(), posterior_mean, start, levels, gaussian(Random(0)))
    assert (start - guess).abs().max() > 0.1
    assert (drawn - guess).abs().max() < (start - guess).abs().max() * 1.1


def test_noise_is_the_seeds_and_a_batch_shares_it() -> None:
    x = torch.zeros(3, 2, 4, 4)
    first, again, other = (gaussian(Random(seed))(x) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first[0], first[2])


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions_invert_their_targets(name: str) -> None:
    generator = torch.Generator().manual_seed(4)
    x0, noise = (torch.randn(3, 1, 4, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    level = torch.tensor([0.05, 0.6, 0.999], dtype=torch.float64)[:, None, None, None]
    predicts = prediction(name)
    x = noised(x0, noise, level)
    torch.testing.assert_close(predicts.x0(predicts.target(x0, noise, level), x, level), x0)
    assert torch.allclose(sigma(level) ** 2 + level**2, torch.ones_like(level))


def test_a_network_takes_level_and_condition_as_input() -> None:
    times: list[Tensor] = []

    class Network(torch.nn.Module):
        def forward(self, x: Tensor, time: Tensor) -> Tensor:
            times.append(time)
            return 3 * x[:, :3]

    condition, x = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    denoise = NetworkDenoiser(Network(), condition, prediction("x0"))
    assert torch.equal(denoise(x, 0.25), torch.ones(2, 3, 4, 4))
    assert torch.equal(times[0], torch.tensor([0.25, 0.25]))
    free = NetworkDenoiser(Network(), condition, prediction("x0"), clamp=None)
    assert torch.equal(free(x, 0.25), torch.full((2, 3, 4, 4), 3.0))


def test_unknown_names_are_named() -> None:
    with pytest.raises(OptionError, match="noise, x0, v"):
        prediction("score")
    with pytest.raises(OptionError, match="linear"):
        Schedule.make("liner")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"no sampler is called 'dpm\+\+'; did you mean 'dpm\+\+2m'"):
        SAMPLERS.get("dpm++")


@pytest.mark.parametrize("name", ["tfs-diff", "ddfm", "ddfm-palm"])
def test_methods_take_every_sampler_and_no_other(name: str) -> None:
    for sampler in SAMPLERS:
        assert configure(get(name), {"sampler": sampler}).sampler == sampler  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="no sampler is called 'euler'"):
        configure(get(name), {"sampler": "euler"})
