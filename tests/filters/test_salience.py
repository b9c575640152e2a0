"""Salience, clarity and the majority vote."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.salience import clarity, majority, root_part, salience


def test_salience_is_the_squared_gradient() -> None:
    detail = np.random.default_rng(0).normal(size=(20, 23))
    x = detail[1:, 2:] - detail[:-1, 2:]
    y = detail[1:, 2:] - detail[1:, :-2]
    assert np.allclose(salience(detail)[1:, 2:], np.sqrt(1.5) * (x**2 + y**2))


def test_clarity_of_one_pixel_among_zeros() -> None:
    detail = np.zeros((31, 29))
    detail[15, 14] = -0.5
    clear = clarity(detail)
    assert np.isclose(clear[12, 12], 0.125)
    assert clear[15, 14] == 0
    assert clear[2, 2] == 0


def test_root_part_of_negative_details_is_the_real_part() -> None:
    values = np.array([[0.3, 0.0, -0.3]])
    assert np.allclose(root_part(values), np.real(values.astype(complex) ** 0.01))


@pytest.mark.parametrize("window", [3, 19])
def test_majority_counts_at_least_half(window: int) -> None:
    decisions = np.zeros((40, 50), bool)
    decisions[:, :25] = True
    decisions[20, 10] = False
    voted = majority(decisions, window)
    assert voted[:, :25].all()
    assert not voted[:, 25:].any()
