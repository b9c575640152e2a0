"""Pulse-coupled networks: who fires more, and what happens where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.pulse_coupled import coupled_membranes, otsu_threshold, pulse_coupled


def test_stronger_detail_fires_more_often() -> None:
    random = np.random.default_rng(0)
    detail = random.normal(0, 0.02, (40, 41))
    detail[10:20, 10:20] *= 8
    fired = pulse_coupled(detail)
    assert fired[10:20, 10:20].mean() > fired[25:, 25:].mean() + 1


@pytest.mark.parametrize("level", [0.0, 0.3, 1e-4])
def test_a_layer_without_detail_does_not_fire(level: float) -> None:
    assert not pulse_coupled(np.full((12, 13), level)).any()


def test_details_below_one_grey_level_do_not_fire() -> None:
    detail = np.random.default_rng(1).normal(0, 1e-4, (20, 20))
    assert not pulse_coupled(detail).any()


def test_membranes_fire_first_at_the_spot_and_then_around_it() -> None:
    stimulus = np.zeros((21, 21))
    stimulus[10, 10] = 0.5
    fired = coupled_membranes(stimulus)
    assert fired[10, 10] == fired.max() > 0
    assert fired[9, 10] > fired[0, 0]
    assert not coupled_membranes(np.zeros((9, 9))).any()


def test_otsu_parts_two_levels() -> None:
    image = np.where(np.arange(100).reshape(10, 10) < 30, 0.2, 0.8)
    assert 0.2 <= otsu_threshold(image) < 0.8
    assert otsu_threshold(np.zeros((5, 5))) == 0
