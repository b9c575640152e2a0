"""Augmentation keeps what it should keep and draws from its generator alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.train.conftest import made, save
from trifuse.core.errors import InputError
from trifuse.train.data import augment, images, palettes


@pytest.mark.parametrize("name", ["pet", "spect-tc"])
def test_uptake_is_recovered_from_colour(name: str) -> None:
    uptake = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    found = palettes.uptake(palettes.paint(uptake, name))
    assert found is not None
    assert np.abs(found - uptake).max() < 0.02


def test_colours_of_no_palette_are_not_taken_for_uptake() -> None:
    random = np.random.default_rng(0)
    assert palettes.uptake(random.integers(0, 256, (3, 32, 32), dtype=np.uint8)) is None
    assert palettes.uptake(np.zeros((3, 8, 8), np.uint8)) is None


def test_curves_are_monotone() -> None:
    for seed in range(20):
        table = augment.curve(np.random.default_rng(seed))
        assert (np.diff(table) >= 0).all()
        assert table.min() >= 0
        assert table.max() <= 1


def test_the_eight_orientations_differ_and_keep_the_pixels() -> None:
    pixels = np.arange(2 * 5 * 5).reshape(2, 5, 5)
    turned = [augment.turned(pixels, which) for which in range(8)]
    assert len({each.tobytes() for each in turned}) == 8
    assert all(np.array_equal(np.sort(each.ravel()), pixels.ravel()) for each in turned)


def test_small_pictures_are_made_as_pillow_makes_them() -> None:
    sharp = made(0)[2]
    small, bicubic = augment.degraded(sharp, 4)
    expected = Pillow.fromarray(sharp.transpose(1, 2, 0)).resize((12, 12), Pillow.Resampling.BICUBIC)
    assert np.array_equal(small.transpose(1, 2, 0), np.asarray(expected))
    again = expected.resize((48, 48), Pillow.Resampling.BICUBIC)
    assert np.array_equal(bicubic.transpose(1, 2, 0), np.asarray(again))


def test_a_crop_of_a_smaller_picture_is_set_in_black() -> None:
    square = augment.crop(np.full((1, 20, 40), 255, np.uint8), 32, np.random.default_rng(0))
    assert square.shape == (1, 32, 32)
    assert square.sum() == 255 * 20 * 32


def sampler() -> images.PictureSampler:
    grey, _, painted = made(1)
    return images.PictureSampler(
        [images.Picture(grey, "t1"), images.Picture(painted, "pet", painted=palettes.uptake(painted))],
        {"t1": 1, "pet": 3},
    )


def test_batches_follow_from_the_generator() -> None:
    first = sampler().batch(4, 32, 2, np.random.default_rng([7, 3]))
    second = sampler().batch(4, 32, 2, np.random.default_rng([7, 3]))
    other = sampler().batch(4, 32, 2, np.random.default_rng([7, 4]))
    assert [part.shape for part in first] == [(4, 3, 16, 16), (4, 3, 32, 32), (4, 3, 32, 32)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[2], other[2])


def test_shares_say_how_often_a_kind_is_drawn() -> None:
    random = np.random.default_rng(0)
    pictures = sampler()
    kinds = [pictures.draw(random).kind for _ in range(400)]
    assert 0.68 < kinds.count("pet") / 400 < 0.82


def test_patients_count_alike_if_asked_for() -> None:
    grey, _, _ = made(1)
    many = [images.Picture(grey, "t1", patient="many")] * 9 + [images.Picture(grey, "t1", patient="one")]
    random = np.random.default_rng(0)

    def share(by_patient: bool) -> float:
        pictures = images.PictureSampler(many, {}, by_patient=by_patient)
        return [pictures.draw(random).patient for _ in range(400)].count("one") / 400

    assert share(False) < 0.2
    assert 0.42 < share(True) < 0.58


def test_without_augmentation_the_pictures_keep_their_levels() -> None:
    grey, _, _ = made(1)
    pictures = images.PictureSampler([images.Picture(grey, "t1")], {}, augmentation=0)
    random = np.random.default_rng(0)
    for _ in range(20):
        assert set(np.unique(pictures.patch(24, random))) <= {0, *np.unique(grey)}


def test_a_kind_of_one_collection_has_its_own_share() -> None:
    grey, _, _ = made(1)
    both = [images.Picture(grey, "t1", collection="atlas"), images.Picture(grey, "t1", collection="clinic")]
    pictures = images.PictureSampler(both, {"t1": 1, "clinic/t1": 3})
    random = np.random.default_rng(0)
    assert list(pictures.kinds) == ["clinic/t1", "t1"]
    assert 0.68 < [pictures.draw(random).collection for _ in range(400)].count("clinic") / 400 < 0.82


def test_a_folder_is_a_kind_and_large_pictures_come_at_half_size(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, side in (("a/one.png", 40), ("two.jpg", 420)):
        save(random.integers(0, 256, (1, side, side), dtype=np.uint8), tmp_path / "heads" / name)
    found = images.of_folder(tmp_path / "heads")
    assert [(p.kind, p.pixels.shape) for p in found] == [("heads", (1, 40, 40)), ("heads", (1, 210, 210))]
    assert len({p.patient for p in found}) == 2
    with pytest.raises(InputError, match="holds no pictures"):
        images.of_folder(tmp_path / "nowhere")
