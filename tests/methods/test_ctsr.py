"""CTSR as a method: sources of any number, order and kind, and its dictionaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

import trifuse
from trifuse.core.errors import WeightsError
from trifuse.filters.sparse_coding import overcomplete_dct


def picture(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def fused(*sources: NDArray[np.uint8], **options: str) -> NDArray[np.float32]:
    return trifuse.fuse(list(sources), "ctsr", options=options).image.pixels


def test_equal_sources_come_back() -> None:
    """Textures are coded to an error of 0.01 per patch, cartoons are kept."""
    image = picture(0, 33, 40)
    assert np.abs(fused(image, image)[0] - image / 255.0).max() < 0.01


def test_constant_sources_give_the_brighter() -> None:
    dark, bright = np.full((16, 16), 51, np.uint8), np.full((16, 16), 204, np.uint8)
    assert np.allclose(fused(dark, bright), 0.8, atol=1e-6)


def test_coloured_source_goes_last_wherever_it_stands() -> None:
    a, b, c = picture(1, 20, 20), picture(2, 20, 20), picture(3, 20, 20, 3)
    result = fused(a, b, c)
    assert result.shape == (3, 20, 20)
    assert (fused(c, a, b) == result).all()
    assert (fused(a, c, b) == result).all()


def test_four_sources_two_of_them_coloured() -> None:
    sources = [picture(4, 17, 19), picture(5, 17, 19, 3), picture(6, 17, 19), picture(7, 17, 19, 3)]
    result = fused(*sources)
    assert result.shape == (3, 17, 19)
    assert np.isfinite(result).all()
    assert not np.allclose(result, fused(*sources[:3]))


def test_sides_below_a_patch_average_textures() -> None:
    a, b = picture(8, 5, 30), picture(9, 5, 30)
    with pytest.warns(UserWarning, match="below 8 pixels"):
        result = fused(a, b)
    assert result.shape == (1, 5, 30)
    assert np.isfinite(result).all()


def test_dictionary_from_npz_and_mat(tmp_path: Path) -> None:
    atoms = overcomplete_dct(8, 12)
    np.savez(tmp_path / "d.npz", atoms=atoms)
    scipy.io.savemat(tmp_path / "d.mat", {"D": atoms})
    a, b = picture(10, 24, 24), picture(11, 24, 24)
    from_npz, from_mat = (fused(a, b, dictionary=str(tmp_path / name)) for name in ("d.npz", "d.mat"))
    assert (from_npz == from_mat).all()
    assert not np.allclose(from_npz, fused(a, b))


def test_bad_dictionaries_are_reported(tmp_path: Path) -> None:
    image = picture(12, 16, 16)
    np.savez(tmp_path / "odd.npz", atoms=np.ones((63, 9)))
    np.savez(tmp_path / "zero.npz", atoms=np.zeros((64, 9)))
    (tmp_path / "text.npz").write_text("no archive")
    for name, words in (("odd", "square patches"), ("zero", "zero or not finite"), ("text", "cannot be read")):
        with pytest.raises(WeightsError, match=words):
            fused(image, image, dictionary=str(tmp_path / f"{name}.npz"))
    with pytest.raises(WeightsError, match="neither 'dct' nor a file"):
        fused(image, image, dictionary=str(tmp_path / "absent.npz"))


def test_real_triplet_keeps_structure_and_colour(data: Path) -> None:
    import csv

    with (data / "aanlib2d" / "triplets.csv").open() as file:
        row = next(r for r in csv.DictReader(file) if r["functional"] == "yes" and r["split"] == "test")
    from PIL import Image as Pillow

    greys = [np.asarray(Pillow.open(data / row[f"path_{k}"]).convert("L"))[64:160, 64:160] for k in (1, 2)]
    colour = np.asarray(Pillow.open(data / row["path_3"]).convert("RGB"))[64:160, 64:160]
    result = fused(*greys, colour)
    luma = np.tensordot([0.299, 0.587, 0.114], result, 1)
    brightest = np.maximum(*(grey / 255.0 for grey in greys))
    assert np.corrcoef(luma.ravel(), brightest.ravel())[0, 1] > 0.5
    assert result.std(axis=0).max() > 0.1
