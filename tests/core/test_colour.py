"""Luma and chroma."""

from __future__ import annotations

import pytest
import torch

from trifuse.core import colour


@pytest.mark.parametrize("space", ["ycbcr", "yuv"])
@pytest.mark.parametrize("size", [(5, 4), (3, 4, 2)])
def test_join_undoes_split(space: colour.ColourSpace, size: tuple[int, ...]) -> None:
    rgb = torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(colour.join(*colour.split(rgb, space), space), rgb, atol=1e-12)


def test_grey_has_no_chroma() -> None:
    luma, chroma = colour.split(torch.rand(1, 1, 4, 4))
    assert luma.shape == (1, 1, 4, 4)
    assert chroma.shape == (1, 2, 4, 4)
    assert not chroma.any()
    white = colour.split(torch.ones(1, 3, 2, 2))
    assert torch.allclose(white[0], torch.ones(1, 1, 2, 2))
    assert torch.allclose(white[1], torch.zeros(1, 2, 2, 2), atol=1e-6)


def test_ycbcr_agrees_with_pillow() -> None:
    import numpy as np
    from PIL import Image as Pillow

    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    theirs = np.asarray(Pillow.fromarray(rgb).convert("YCbCr"), dtype=float)
    luma, chroma = colour.split(torch.from_numpy(rgb / 255.0).permute(2, 0, 1)[None])
    ours = torch.cat([luma, chroma + 128 / 255], dim=1)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - theirs).max() <= 1.01


def test_the_stronger_chroma_prevails() -> None:
    strong, weak = torch.full((1, 2, 1, 1), 0.4), torch.full((1, 2, 1, 1), -0.1)
    merged = colour.merge_chroma([strong, weak])
    assert torch.allclose(merged, torch.full((1, 2, 1, 1), (0.4 * 0.4 - 0.1 * 0.1) / 0.5))
    nothing = torch.zeros(1, 2, 1, 1)
    assert not colour.merge_chroma([nothing, nothing]).any()
    assert colour.merge_chroma([weak]) is weak
