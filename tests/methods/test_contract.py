"""What every method must keep, whatever it does: the contract of `Method.fuse`, seen through `fuse` and `run`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.methods.untrained import NETWORKS, has_weights, random_weights
from trifuse.core.errors import OptionError
from trifuse.core.image import PICTURE_AFFINE, Image, scaled_affine
from trifuse.core.random import Random
from trifuse.fusion import Fused, fuse
from trifuse.fusion.adapt import run
from trifuse.fusion.settings import Run
from trifuse.methods import get, names
from trifuse.methods.base import Estimate, Method, configure

SLICE, VOLUME = (37, 45), (9, 10, 11)

every_method = pytest.mark.parametrize("name", names())


def made(name: str) -> Method:
    """A method with its default options, and random weights where it has none at hand."""
    return configure(get(name), {} if has_weights(name) else {"weights": random_weights(name)})


def space_of(method: Method) -> tuple[int, ...]:
    """Odd sizes, of the kind of image that the method takes."""
    return SLICE if 2 in method.card.dims else VOLUME


def greys(method: Method, count: int, seed: int = 0) -> list[Image]:
    """Smooth shapes with some noise, float32, one per source."""
    random = np.random.default_rng(seed)
    space = space_of(method)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in space], indexing="ij")
    images = []
    for index in range(count):
        distance = np.sqrt(sum((axis - 0.2 * index + 0.1) ** 2 for axis in axes))
        pixels = np.clip(1 - distance, 0, 1) * 0.8 + 0.1 * random.random(space)
        images.append(Image(pixels[None].astype(np.float32), affine=affine()))
    return images


def colour_source(method: Method) -> Image:
    red, green, blue = (image.pixels for image in greys(method, 3, seed=1))
    return Image(np.concatenate([red, green, blue]), affine=affine())


def affine() -> NDArray[np.float64]:
    turned = PICTURE_AFFINE.copy()
    turned[:3, 3] = (12, -7, 3)
    turned[0, 1] *= 0.8
    return turned


def smallest_count(method: Method) -> int:
    return max(2, method.card.sources[0])


def batch_of(images: Sequence[Image], *others: Sequence[Image]) -> list[torch.Tensor]:
    """One tensor per source, its batch over the given studies."""
    return [
        torch.from_numpy(np.stack([image.pixels for image in study])) for study in zip(images, *others, strict=True)
    ]


def mean_of(result: Estimate) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = result.mean.float().numpy()
    return pixels


def assert_picture(fused: Fused, space: tuple[int, ...]) -> None:
    pixels = fused.image.pixels
    assert pixels.dtype == np.float32
    assert pixels.shape[1:] == space
    assert np.isfinite(pixels).all()
    assert pixels.min() >= 0
    assert pixels.max() <= 1


@every_method
def test_card_names_the_method(name: str) -> None:
    card = get(name).card
    assert card.name == name
    assert card.title
    assert card.summary.endswith(".")
    assert card.dims <= {2, 3}
    assert 1 in card.scales or min(card.scales) > 1


@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_keep_the_contract_too(name: str) -> None:
    method = configure(get(name), {"weights": random_weights(name)})
    sources = greys(method, smallest_count(method))
    first, second = fuse(sources, method), fuse(sources, method)
    assert_picture(first, space_of(method))
    assert np.array_equal(first.image.pixels, second.image.pixels)
    assert np.ptp(first.image.pixels) > 0


@every_method
@pytest.mark.parametrize("count", [2, 3, 4])
def test_odd_sizes_and_any_number_of_sources(name: str, count: int) -> None:
    method = made(name)
    sources = greys(method, count)
    if count < method.card.sources[0]:
        with pytest.raises(OptionError, match="at least"):
            fuse(sources, method)
        return
    fused = fuse(sources, method)
    assert_picture(fused, space_of(method))
    assert fused.image.channels == 1


@every_method
def test_something_of_the_sources_is_seen(name: str) -> None:
    method = made(name)
    sources = greys(method, smallest_count(method))
    pixels = fuse(sources, method).image.pixels
    if not has_weights(name):
        others = fuse(greys(method, smallest_count(method), seed=7), method).image.pixels
        assert np.abs(pixels - others).max() > 1e-4  # a random network shows no more than that it looked
        return
    mean = np.mean([source.pixels for source in sources], axis=0)
    assert np.corrcoef(pixels.ravel(), mean.ravel())[0, 1] > 0.3


@every_method
def test_grey_and_coloured_sources_give_colour(name: str) -> None:
    method = made(name)
    fused = fuse([*greys(method, smallest_count(method) - 1), colour_source(method)], method)
    assert_picture(fused, space_of(method))
    assert fused.image.channels == 3
    assert np.ptp(fused.image.pixels, axis=0).max() > 0.01


@every_method
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_constant_images(name: str, level: float) -> None:
    method = made(name)
    count = smallest_count(method)
    flat = Image(np.full((1, *space_of(method)), level, np.float32), affine=affine())
    assert_picture(fuse([flat] * count, method), space_of(method))
    assert_picture(fuse([flat, *greys(method, count - 1)], method), space_of(method))


@every_method
def test_values_that_are_not_finite(name: str) -> None:
    method = made(name)
    first, *others = greys(method, smallest_count(method))
    values = first.pixels.copy()
    values[..., 3, 4], values[..., 5, 6], values[..., 7, 8] = np.nan, np.inf, -np.inf
    broken = Image.from_native(values, affine=affine(), window=(0, 1))
    fused = fuse([broken, *others], method)
    assert_picture(fused, space_of(method))
    assert any("not finite" in note for note in fused.provenance["notes"])


@every_method
def test_same_seed_same_result_and_inputs_stay_as_they_are(name: str) -> None:
    method = made(name)
    sources = greys(method, smallest_count(method))
    before = [source.pixels.copy() for source in sources]
    first, second = fuse(sources, method, seed=3), fuse(sources, method, seed=3)
    assert np.array_equal(first.image.pixels, second.image.pixels)
    assert all(np.array_equal(source.pixels, pixels) for source, pixels in zip(sources, before, strict=True))


@pytest.mark.parametrize("name", [name for name in names() if not get(name).card.stochastic])
def test_a_batch_is_its_images_one_by_one(name: str) -> None:
    method = made(name)
    count = smallest_count(method)
    studies = greys(method, count), greys(method, count, seed=5)
    settings = Run(scale=min(method.card.scales))
    together = mean_of(run(method, batch_of(*studies), settings, Random(0)))
    alone = [mean_of(run(method, batch_of(study), settings, Random(0))) for study in studies]
    assert together.shape[0] == 2
    assert np.abs(together - np.concatenate(alone)).max() < 1e-4


@every_method
@pytest.mark.parametrize("scale", [1, 2])
def test_size_and_place_follow_the_scale(name: str, scale: int) -> None:
    method = made(name)
    sources = greys(method, smallest_count(method))
    fused = fuse(sources, method, scale=scale)
    space = tuple(n * scale for n in space_of(method))
    assert_picture(fused, space)
    factors = [scale] * len(space)
    assert np.allclose(fused.image.affine, scaled_affine(affine(), factors))
    assert fused.provenance["method"] == name


@every_method
def test_more_scales_of_its_own(name: str) -> None:
    method = made(name)
    sources = greys(method, smallest_count(method))
    tensors = batch_of(sources)
    for scale in sorted(method.card.scales - {1, 2}):
        result = mean_of(run(method, tensors, Run(scale=scale), Random(0)))
        assert result.shape[2:] == tuple(n * scale for n in space_of(method))
    assert method.card.scales
