"""Deviations that say how large errors are, and intervals that hold."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from trifuse.diffusion.spread import COUNT, DELTA, Spread, fitted, predictors, quantile


def heavy_tailed(seed: int, count: int = 40_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictors and absolute errors whose mean follows from them, with tails longer than a normal distribution's."""
    torch.manual_seed(seed)
    terms = torch.cat([torch.ones(count, 1), torch.randn(count, COUNT - 1)], dim=1)
    size = torch.exp(terms @ torch.tensor([-3.0, 0.6, 0.0, 0.3, 0.0]))
    return terms, size * torch.distributions.Exponential(1.0).sample((count,))


def test_the_expected_error_is_found() -> None:
    terms, errors = heavy_tailed(0)
    found = fitted(terms, errors, torch.ones(len(errors)))
    assert found == pytest.approx((-3.0, 0.6, 0.0, 0.3, 0.0), abs=0.03)


def test_intervals_hold_on_other_data_where_those_of_a_normal_distribution_do_not() -> None:
    terms, errors = heavy_tailed(0)
    ones = torch.ones(len(errors))
    coefficients = torch.tensor(fitted(terms, errors, ones))
    ratio = errors / (math.sqrt(math.pi / 2) * torch.exp(terms @ coefficients))
    widths = {level: quantile(ratio, ones, level / 100) for level in (50, 80, 95)}
    terms, errors = heavy_tailed(1)
    deviation = math.sqrt(math.pi / 2) * torch.exp(terms @ coefficients)
    held = {level: 100 * float((errors <= width * deviation).float().mean()) for level, width in widths.items()}
    assert held == pytest.approx({50: 50, 80: 80, 95: 95}, abs=1)
    assert 100 * float((errors <= 1.96 * deviation).float().mean()) < 93


def test_weights_move_a_quantile() -> None:
    values = torch.tensor([4.0, 1.0, 2.0, 3.0])
    assert quantile(values, torch.ones(4), 0.5) == 2
    assert quantile(values, torch.tensor([10.0, 1, 1, 1]), 0.5) == 4


def test_a_deviation_follows_draws_and_roughness() -> None:
    drawn, estimate = torch.full((1, 1, 20, 20), 0.1), torch.full((1, 3, 20, 20), 0.5)
    estimate[..., 10:] = 0.9
    as_drawn = Spread(coefficients=(0.0, 1.0, 0.0, 0.0, 0.0))
    assert float(as_drawn.deviation(drawn, estimate)[0, 0, 3, 3]) == pytest.approx(
        (0.1 + DELTA) * math.sqrt(math.pi / 2)
    )
    by_roughness = Spread(coefficients=(0.0, 0.0, 0.0, 1.0, 0.0)).deviation(drawn, estimate)
    assert by_roughness[0, 0, 10, 10] > 10 * by_roughness[0, 0, 10, 2]
    assert predictors(drawn, estimate).shape == (1, COUNT, 20, 20)
    with pytest.raises(ValidationError):
        Spread(coefficients=(1.0,))
