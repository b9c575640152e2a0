"""Upsamplers in the place of bicubic for methods without super-resolution."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse import Image, fusion
from trifuse.core.errors import OptionError


@pytest.mark.parametrize("upsample", ["before", "after"])
@pytest.mark.parametrize("upsampler", ["sr3", "source-sr"])
def test_networks_replace_bicubic(upsampler: str, upsample: str) -> None:
    pictures = [Image(np.random.RandomState(k).rand(1, 5, 6).astype(np.float32)) for k in range(2)]
    fused = fusion.fuse(pictures, "mean", scale=2, upsample=upsample, upsampler=upsampler)
    plain = fusion.fuse(pictures, "mean", scale=2, upsample=upsample)
    assert fused.image.space == plain.image.space == (10, 12)
    assert np.abs(fused.image.pixels - plain.image.pixels).max() > 0.01
    assert any(upsampler in note for note in fused.provenance["notes"])


def test_unknown_upsamplers_are_named() -> None:
    with pytest.raises(OptionError, match="bicubic, source-sr, sr3"):
        fusion.Run(upsampler="lanczos")


def test_a_whole_volume_is_left_to_bicubic_and_the_note_says_so() -> None:
    volumes = [Image(np.random.RandomState(k).rand(1, 4, 5, 6).astype(np.float32)) for k in range(2)]
    fused = fusion.fuse(volumes, "mean", scale=2, upsampler="source-sr")
    plain = fusion.fuse(volumes, "mean", scale=2)
    assert np.array_equal(fused.image.pixels, plain.image.pixels)
    assert "mean has no x2: bicubic upsampling before fusing (source-sr is for pictures)" in fused.provenance["notes"]
    assert "mean has no x2: bicubic upsampling before fusing" in plain.provenance["notes"]
