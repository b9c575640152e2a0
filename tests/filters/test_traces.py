"""Traces of how a small picture was made."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from trifuse.filters.traces import COUNT, EDGES, traces
from trifuse.train.data.degradations import jpeg


def picture(side: int = 64) -> np.ndarray:
    return np.clip(gaussian_filter(np.random.default_rng(0).normal(0, 900, (side, side)), 2) + 80, 0, 255)


RINGS = len(EDGES) - 1


def test_blur_takes_power_from_high_frequencies() -> None:
    sharp, soft = traces(picture()), traces(gaussian_filter(picture(), 1))
    assert sharp.shape == (COUNT,)
    assert (soft[2 : RINGS - 1] < sharp[2 : RINGS - 1] - 0.5).all()


def test_noise_and_rounding_are_seen() -> None:
    plain = np.rint(picture())
    noisy = np.rint((plain + np.random.default_rng(1).normal(0, 4, plain.shape)).clip(0, 255))
    assert abs(np.exp(traces(noisy)[RINGS]) - 0.1 - 0.6745 * 4) < 0.7  # the median of |noise| is 0.67 of its deviation
    assert traces(noisy)[RINGS] > traces(plain)[RINGS] + 0.7
    assert traces(plain)[-2] == 0
    assert traces(plain + 0.3)[-2] == 1
    assert traces(np.zeros((20, 30)))[-3] == 1


def test_blocks_of_jpeg_are_seen() -> None:
    plain = np.rint(picture()).astype(np.float32)
    assert traces(jpeg(np.stack([plain] * 3), 20)[0])[-1] > traces(plain)[-1] + 0.1
