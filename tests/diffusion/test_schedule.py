"""Scales of the noise level, and grids of it."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.core.errors import OptionError
from trifuse.diffusion import schedule
from trifuse.diffusion.schedule import Schedule


def test_scales_are_inverse() -> None:
    levels = np.array([1e-5, 0.1, 0.5, 0.999, 1 - 1e-9])
    np.testing.assert_allclose(schedule.level_of_log_snr(schedule.log_snr(levels)), levels, rtol=1e-12)
    np.testing.assert_allclose(schedule.level_of_noise(schedule.noise_of(levels)), levels, rtol=1e-12)
    assert schedule.log_snr(1.0) == np.inf


def test_published_values_of_the_linear_schedule() -> None:
    levels = Schedule.make("linear", 4000, 1e-6, 1e-2).levels
    np.testing.assert_allclose(levels[[100, 1000, 4000]], [0.99378, 0.53500, 4.386e-5], rtol=1e-4)
    np.testing.assert_allclose(schedule.log_snr(levels[[1, 2000]]), [6.908, -2.501], rtol=1e-3)


def test_a_grid_rises_between_its_ends() -> None:
    levels = schedule.uniform_lambda(15, 20.0, 0.002)
    np.testing.assert_allclose(schedule.noise_of(levels[[0, -1]]), [20, 0.002], rtol=1e-9)
    assert (np.diff(levels) > 0).all()
    assert schedule.to_clean(levels)[-1] == 1
    assert len(schedule.uniform_lambda(1, 20.0, 0.002)) == 1


def test_index_grids() -> None:
    linear = Schedule.make("linear", 100, 1e-4, 0.1)
    assert np.array_equal(schedule.uniform_index(linear, 100), schedule.full(linear))
    short = schedule.uniform_index(linear, 7)
    assert (len(short), short[0], short[-1]) == (8, linear.levels[-1], 1)
    assert linear.index_of(float(linear.levels[38])) == pytest.approx(37)
    for steps in (0, 101):
        with pytest.raises(OptionError):
            schedule.uniform_index(linear, steps)
