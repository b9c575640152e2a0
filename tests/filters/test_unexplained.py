"""Weights by contrast that other sources do not explain."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.unexplained import averaged, enlarged, residuals, unexplained


def test_what_others_explain_linearly_is_left_out() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2, 30, 30)).astype(np.float32)
    third = (0.5 * first - 0.8 * second).astype(np.float32)
    left = residuals(np.stack([first, second, third]))
    assert np.abs(left[2]).max() < 1e-3


def test_a_contrast_of_its_own_is_left_whole_by_a_robust_fit() -> None:
    shared = np.random.default_rng(1).normal(size=(1, 60, 60)).astype(np.float32)
    own = np.zeros_like(shared)
    own[0, 20:26, 20:26] = 10
    left = residuals(np.stack([shared, shared + own]))
    assert np.allclose(left[1][0, 20:26, 20:26], 10, atol=0.1)
    assert np.abs(left[1] - own).max() < 0.1


def test_the_source_with_a_blob_leads_around_it_and_weights_sum_to_one() -> None:
    base = np.random.default_rng(2).random((128, 128)).astype(np.float32) * 0.05
    blob = base.copy()
    blob[40:60, 40:60] += 0.5
    weights = unexplained([base, blob, base])
    assert np.allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert weights[1, 38:62, 38:62].min() > 0.9
    assert np.allclose(unexplained([base, blob, base], power=0), 1 / 3)


def test_a_source_that_contradicts_the_leading_one_has_no_say_there() -> None:
    bright = np.zeros((128, 128), np.float32)
    bright[50:70, 50:70] = 0.5
    weights = unexplained([0.2 + bright, 0.7 - 0.8 * bright], power=1)
    assert weights[0, 46:74, 46:74].min() > 0.99


def test_gains_make_contrasts_count_more() -> None:
    first, second = np.random.default_rng(3).random((2, 128, 128)).astype(np.float32)
    plain, raised = (unexplained([first, second], gains=gains)[1].mean() for gains in (None, [1, 2]))
    assert raised > plain + 0.2


@pytest.mark.parametrize("shape", [(130, 70), (66, 20, 5)])
def test_cells_and_back_keep_a_constant_and_the_size(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.4, np.float32)
    small = averaged(x, [max(1, n // 20) for n in shape])
    assert np.allclose(small, 0.4)
    assert enlarged(small, shape).shape == shape
    assert np.allclose(enlarged(small, shape), 0.4)
