"""BitonicX beyond the published case: odd sizes, many sources, colour rules, noise, degenerate images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import trifuse
from trifuse.core import colour
from trifuse.core.errors import OptionError
from trifuse.core.random import Random
from trifuse.methods.base import card_of
from trifuse.methods.bitonicx import BitonicX, fuse_greys, fuse_luma, luma_layers, score

SIZE = (39, 46)


def study(count: int, *, channels: int = 1, seed: int = 0, size: tuple[int, int] = SIZE) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    r, c = np.mgrid[: size[0], : size[1]]
    images = []
    for index in range(count * channels):
        disc = np.hypot(r - size[0] / 2 + index, c - size[1] / 2 - 2 * index) < 12 + index
        images.append(np.clip(90 * disc + 40 * np.sin(c / (2 + index)) + 60 + random.normal(0, 9, size), 0, 255))
    bytes_ = [image.astype(np.uint8) for image in images]
    if channels == 1:
        return bytes_
    return [np.stack(bytes_[3 * k : 3 * k + 3], axis=-1) for k in range(count)]


def luma_of(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    tensor = torch.from_numpy(np.moveaxis(rgb / 255, -1, 0).copy())[None]
    luma: NDArray[np.float64] = colour.split(tensor, "yuv")[0][0, 0].numpy()
    return luma


def pixels_of(sources: list[NDArray[np.uint8]], **options: object) -> NDArray[np.float32]:
    return trifuse.fuse(sources, method="bitonicx", options=options).image.pixels


def test_greys_are_folded_by_stage_one_and_colour_comes_last() -> None:
    a, b, c = study(3)
    rgb = study(1, channels=3, seed=4)[0]
    fused = pixels_of([a, rgb, b, c])
    grey = fuse_greys(fuse_greys(a / 255, b / 255).fused, c / 255).fused
    luma = fuse_luma(luma_layers(grey, luma_of(rgb))).fused
    inside = ((fused > 0) & (fused < 1)).all(axis=0)
    assert inside.mean() > 0.2
    assert np.abs(luma_of(np.moveaxis(fused, 0, -1) * 255) - luma)[inside].max() < 1e-3 + 1e-6


def test_without_colour_two_greys_are_stage_one_and_of_three_the_last_is_luma() -> None:
    a, b, c = (image / 255 for image in study(3))
    two, three = pixels_of(study(2)), pixels_of(study(3))
    stage_one = fuse_greys(a, b).fused
    assert two.shape == (1, *SIZE)
    assert np.abs(two[0] - np.clip(stage_one, 0, 1)).max() < 1e-6
    assert np.abs(three[0] - np.clip(fuse_luma(luma_layers(stage_one, c)).fused, 0, 1)).max() < 1e-6


def test_greys_stored_as_rgb_count_as_grey() -> None:
    a, b = study(2)
    rgb = study(1, channels=3)[0]
    as_rgb = [np.stack([image] * 3, axis=-1) for image in (a, b)]
    assert np.array_equal(pixels_of([*as_rgb, rgb]), pixels_of([a, b, rgb]))
    assert np.abs(pixels_of(as_rgb) - pixels_of([a, b])).max() < 1e-6


def test_chroma_of_several_coloured_sources_is_merged() -> None:
    one, two = study(2, channels=3)
    fused = pixels_of([one, two])
    assert fused.shape == (3, *SIZE)
    first, second = (
        colour.split(torch.from_numpy(np.moveaxis(x / 255, -1, 0).copy())[None], "yuv") for x in (one, two)
    )
    luma = fuse_luma(luma_layers(first[0][0, 0].numpy(), second[0][0, 0].numpy())).fused
    chroma = colour.merge_chroma([first[1], second[1]])
    expected = colour.join(torch.from_numpy(luma)[None, None], chroma, "yuv")[0].clamp(0, 1).numpy()
    assert np.abs(fused - expected).max() < 1e-6


def test_eight_bit_levels_are_recovered_exactly() -> None:
    a, b = study(2)
    tensors = [torch.from_numpy((image / 255).astype(np.float32))[None, None] for image in (a, b)]
    fused = BitonicX().fuse(tensors, scale=1, random=Random(0)).picture
    assert fused.dtype == torch.float32
    assert np.abs(fused[0, 0].numpy() - fuse_greys(a / 255, b / 255).fused).max() < 1e-7


def test_pixels_that_are_not_finite_do_not_spread() -> None:
    a, b = (torch.from_numpy((image / 255).astype(np.float32))[None, None] for image in study(2))
    a[..., 5, 6], a[..., 20, 30] = torch.nan, torch.inf
    fused = BitonicX(denoise=True).fuse([a, b], scale=1, random=Random(0)).picture
    assert torch.isfinite(fused).all()


def test_sides_below_the_window_give_the_maximum() -> None:
    a, b = study(2, size=(23, 60))
    assert np.array_equal(pixels_of([a, b])[0], (np.maximum(a, b) / 255).astype(np.float32))
    assert "below 30" in BitonicX.card.notes


@pytest.mark.parametrize("denoise", [False, True])
@pytest.mark.parametrize("level", [0, 128])
def test_constant_images_come_back(level: int, denoise: bool) -> None:
    flat = np.full(SIZE, level, np.uint8)
    assert np.abs(pixels_of([flat, flat], denoise=denoise) - level / 255).max() < 1e-6


def test_random_clarity_follows_the_seed_and_only_then_the_card_says_stochastic() -> None:
    # Equally strong details: with a clear winner the vote hears no chance.
    noise = np.random.default_rng(0).integers(0, 200, (2, *SIZE), dtype=np.uint8)
    sources = [noise[0], np.stack([noise[1], noise[1], noise[1] + 20], axis=-1)]
    draws = [
        trifuse.fuse(sources, "bitonicx", options={"clarity": "random"}, seed=seed).image.pixels for seed in (0, 0, 1)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert card_of(BitonicX(clarity="random")).stochastic
    assert not card_of(BitonicX(clarity="detail")).stochastic
    spread = trifuse.fuse(sources, "bitonicx", options={"clarity": "random"}, samples=2).uncertainty
    assert spread is not None
    assert spread.pixels.max() > 0


def test_denoising_takes_noise_out_of_the_details() -> None:
    r, c = np.mgrid[:64, :64]
    clean = np.where(np.hypot(r - 32, c - 32) < 20, 0.7, 0.2)
    noisy = clean + np.random.default_rng(0).normal(0, 0.08, clean.shape)
    other = np.full_like(clean, 0.1)
    plain, smooth = fuse_greys(noisy, other).fused, fuse_greys(noisy, other, (True, True)).fused
    assert np.abs(smooth - clean).mean() < 0.7 * np.abs(plain - clean).mean()


def test_score_prefers_the_livelier_detail() -> None:
    detail = np.zeros((20, 20))
    detail[10, 10] = 0.2
    assert score(detail)[10, 10] > score(0.5 * detail)[10, 10] > 0
    assert score(detail)[0, 0] == 0


def test_unknown_options_are_refused_with_what_there_is() -> None:
    with pytest.raises(OptionError, match="clarity"):
        trifuse.fuse(study(2), options={"clarity": "best"})


def test_threads_do_not_disturb_each_other() -> None:
    studies = [study(2, seed=seed) for seed in range(3)]
    alone = [pixels_of(sources) for sources in studies]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(pixels_of, studies))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_corrected_variant_keeps_more_of_the_bundled_lesion() -> None:
    from scipy.ndimage import distance_transform_edt

    from trifuse import samples
    from trifuse.core.image import Image

    paths = samples.study(2)
    images = [Image.of(path) for path in paths.values()]
    t1, t2 = (image.pixels[0] for image in images[:2])
    bright = (t2 - t2[:, ::-1]) - (t1 - t1[:, ::-1])
    y, x = 64, 153
    lesion = np.zeros_like(t1, dtype=bool)
    lesion[y - 6 : y + 7, x - 6 : x + 7] = bright[y - 6 : y + 7, x - 6 : x + 7] > 0.4
    apart = distance_transform_edt(~lesion)
    ring = (apart > 8) & (apart <= 14)
    contrast = {}
    for variant in ("reference", "corrected"):
        fused = trifuse.fuse(images[:2], "bitonicx", options={"variant": variant}).image.pixels[0]
        contrast[variant] = fused[lesion].mean() - fused[ring].mean()
    assert contrast["reference"] < 0.3 * (t2[lesion].mean() - t2[ring].mean())
    assert contrast["corrected"] > 1.8 * contrast["reference"]
