"""What every upsampler must do, whoever wrote it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trifuse import upsamplers
from trifuse.core import resize
from trifuse.core.random import Random

every_upsampler = pytest.mark.parametrize("name", upsamplers.names())


def magnified(name: str, x: Tensor, scale: int = 2, seed: int = 0) -> Tensor:
    with torch.inference_mode():
        return upsamplers.get(name).magnify(x, scale, Random(seed))


def smooth(channels: int, batch: int = 1) -> Tensor:
    """Smooth pictures `(batch, channels, 9, 7)`, values 0..1."""
    noise = torch.rand(batch, channels, 5, 4, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(noise, (9, 7), mode="bilinear")


@every_upsampler
def test_card_names_the_upsampler(name: str) -> None:
    card = upsamplers.get(name).card
    assert card.name == name
    assert card.title
    assert 2 in card.dims


@every_upsampler
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [2, 4])
def test_size_channels_and_range(name: str, channels: int, scale: int) -> None:
    larger = magnified(name, smooth(channels, batch=2), scale)
    assert larger.shape == (2, channels, 9 * scale, 7 * scale)
    assert larger.isfinite().all()
    assert -0.2 < larger.min() <= larger.max() < 1.2


@every_upsampler
def test_the_picture_is_still_there(name: str) -> None:
    picture = smooth(1)
    larger = magnified(name, picture)
    back = torch.nn.functional.avg_pool2d(larger, 2)
    assert np.corrcoef(back.ravel(), picture.ravel())[0, 1] > 0.9


@every_upsampler
def test_the_seed_decides_and_the_input_stays_as_it_is(name: str) -> None:
    picture = smooth(3)
    before = picture.clone()
    assert torch.equal(magnified(name, picture, seed=4), magnified(name, picture, seed=4))
    assert torch.equal(picture, before)


@every_upsampler
def test_volumes_where_the_card_says_so(name: str) -> None:
    if 3 not in upsamplers.get(name).card.dims:
        return
    volume = torch.rand(1, 1, 4, 5, 6, generator=torch.Generator().manual_seed(2))
    assert magnified(name, volume).shape == (1, 1, 8, 10, 12)


def test_bicubic_is_pillows() -> None:
    picture = smooth(1)
    assert np.allclose(magnified("bicubic", picture, 4)[0], resize.pillow(picture[0].numpy(), (36, 28)), atol=1e-6)
