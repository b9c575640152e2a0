"""Gradient-domain fusion of distinct contrasts: what it promises, on phantoms and on people."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

import trifuse
from tests.conftest import SHARED
from trifuse.core.random import Random
from trifuse.methods.gradient_domain import GradientDomain

Plane = NDArray[np.float64]


def fused(*sources: NDArray[np.floating], **options: float) -> NDArray[np.float32]:
    tensors = [torch.from_numpy(source[None, None].astype(np.float32)) for source in sources]
    result = GradientDomain(**options).fuse(tensors, scale=1, random=Random(0))
    picture: NDArray[np.float32] = result.mean[0, 0].numpy()
    return picture


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius: float) -> NDArray[np.bool_]:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    inside: NDArray[np.bool_] = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2
    return inside


def anatomy(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A head with folds that every source shows."""
    head = ball(shape, tuple(n / 2 for n in shape), 0.42 * min(shape))
    folds = np.sin(np.arange(shape[0]) * 0.8).reshape(-1, *[1] * (len(shape) - 1))
    pixels: NDArray[np.float64] = np.where(head, 0.4 + 0.06 * folds, 0.0)
    return pixels


@pytest.mark.parametrize("shape", [(128, 128), (48, 48, 48)])
def test_a_lesion_that_one_source_shows_keeps_its_contrast_and_lines_of_the_others_stay(shape: tuple[int, ...]) -> None:
    common = anatomy(shape)
    lesion = ball(shape, tuple(0.4 * n for n in shape), 0.1 * shape[0])
    shows, lined = common + 0.25 * lesion, common.copy()
    line = (slice(int(0.6 * shape[0]), int(0.6 * shape[0]) + 2), slice(int(0.3 * shape[1]), int(0.7 * shape[1])))
    lined[line] += 0.3
    result = fused(shows, lined, common)
    near = ball(shape, tuple(0.4 * n for n in shape), 0.14 * shape[0]) & ~lesion
    assert result[lesion].mean() - result[near].mean() > 0.9 * 0.25
    assert result[line].mean() - np.delete(result, line[0], axis=0)[:, line[1]].mean() > 0.15
    assert result[: int(0.5 * shape[0])][common[: int(0.5 * shape[0])] == 0].max() < 0.02


def test_sources_of_one_contrast_come_back() -> None:
    picture = anatomy((96, 80))
    assert np.allclose(fused(picture, picture, picture), 1.05 * picture, atol=2e-3)


def test_a_dark_source_is_raised_and_bright_tissue_is_not_clipped() -> None:
    picture = anatomy((96, 96)) / 0.46
    result = fused(picture, 0.3 * picture)
    assert 0.98 < result.max() <= 1
    assert (result == 1).mean() < 0.05


def test_what_is_dark_in_one_source_and_bright_in_another_does_not_vanish() -> None:
    common = anatomy((128, 128))
    ventricle, tumour = ball((128, 128), (70, 50), 9), ball((128, 128), (50, 85), 8)
    first = common + 0.1 - 0.3 * ventricle - 0.1 * tumour
    second = common + 0.3 * ventricle + 0.28 * tumour
    result = fused(first * (common > 0), second * (common > 0))
    for centre, radius in (((70, 50), 9), ((50, 85), 8)):
        near = ball((128, 128), centre, 1.5 * radius) & ~ball((128, 128), centre, radius)
        step = result[ball((128, 128), centre, radius)].mean() - result[near].mean()
        assert abs(step) > 0.8 * 0.28


def test_no_extreme_that_no_source_has() -> None:
    noise = np.random.default_rng(0).random((3, 64, 64))
    result = fused(*noise)
    from tests.filters.test_extremes import alone

    assert not alone(result, noise).any()


def test_leading_source_and_edges_are_options() -> None:
    noise = np.random.default_rng(1).random((2, 40, 40))
    alike = fused(*noise, power=0, edges=0)
    assert np.allclose(alike, np.clip(alike, 0, 1))
    mean = noise.mean(axis=0)
    gains = np.polyfit(mean.ravel(), alike.ravel(), 1)
    assert np.corrcoef(mean.ravel(), alike.ravel())[0, 1] > 0.995
    assert gains[0] == pytest.approx(1, abs=0.15)


def test_it_is_the_default_method() -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (2, 40, 40), dtype=np.uint8)
    assert trifuse.fuse(list(pictures)).provenance["method"] == "gradient-domain"


def tumours(split: str, every: int) -> list[tuple[list[Plane], NDArray[np.bool_]]]:
    """Every n-th tumour slice of a split of lgg2d: T1, Gad, FLAIR as grey levels, and the mask."""
    table = SHARED / "data" / "lgg2d" / "triplets.csv"
    if not table.is_file():
        pytest.skip(f"no {table} (set TRIFUSE_SHARED)")
    found = []
    with table.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            paths = [SHARED / "data" / row[f"path_{k}"] for k in (1, 2, 3)]
            mask = grey(paths[0].parent / "tumour_mask.png") > 0
            if row["split"] == split and mask.sum() > 50:
                found.append(([grey(path) for path in paths], mask))
    return found[::every]


def grey(path: Path) -> Plane:
    return np.asarray(Pillow.open(path).convert("L"), dtype=np.float64)


def noise_ratio(x: Plane, mask: NDArray[np.bool_], ring: NDArray[np.bool_]) -> float:
    return float(abs(x[mask].mean() - x[ring].mean()) / x[ring].std())


def recall(x: Plane, source: Plane) -> float:
    """Share of the source's strongest tenth of edges that x shows at half strength, both in units of their own."""
    mine, theirs = (np.hypot(*np.gradient(image)) for image in (x, source))
    strong = theirs >= np.percentile(theirs, 90)
    return float((mine[strong] / mine.std() >= 0.5 * theirs[strong] / theirs.std()).mean())


def test_tumours_of_people_keep_their_contrast_and_every_source_its_edges() -> None:
    from scipy.ndimage import distance_transform_edt

    shares, recalls, copied = [], [], []
    for sources, mask in tumours("test", 3):
        x = trifuse.fuse([source.astype(np.uint8) for source in sources], method="gradient-domain").image.pixels[0]
        levels = np.rint(x * 255.0)
        apart = distance_transform_edt(~mask)
        ring = (apart > 2) & (apart <= 6) & (np.max(sources, axis=0) > 20)
        best = max(noise_ratio(source, mask, ring) for source in sources)
        shares.append(noise_ratio(levels, mask, ring) / best)
        recalls.append(min(recall(levels, source) for source in sources))
        copied.append(min(recall(sources[2], source) for source in sources))
    assert np.median(shares) >= 0.88
    assert np.percentile(shares, 10) >= 0.4
    assert np.mean(recalls) >= 0.82
    assert np.mean(copied) < 0.7
