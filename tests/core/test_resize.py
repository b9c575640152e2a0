"""The bicubics."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from trifuse.core import resize


@pytest.mark.parametrize("size", [(8, 6), (64, 48), (33, 51)])
def test_eight_bit_is_pillow_itself(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (32, 24, 3), dtype=np.uint8)
    theirs = np.asarray(Pillow.fromarray(rgb).resize((size[1], size[0]), Pillow.Resampling.BICUBIC))
    ours = resize.pillow(np.moveaxis(rgb, -1, 0), size)
    assert ours.dtype == np.uint8
    assert np.array_equal(np.moveaxis(ours, 0, -1), theirs)


def test_floats_are_neither_rounded_nor_clipped() -> None:
    step = np.zeros((1, 4, 8), dtype=np.float32)
    step[..., 4:] = 1
    larger = resize.pillow(step, (8, 16))
    assert larger.dtype == np.float32
    assert larger.min() < 0
    assert larger.max() > 1
    assert larger.mean() == pytest.approx(0.5, abs=1e-6)
