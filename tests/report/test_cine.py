"""Cines: every slice of a volume, in true proportions and turned as radiologists look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.report.cine import write_cine

AFFINE = np.array([[-1.5, 0, 0, 20], [0, 2, 0, -30], [0, 0, 4, -15], [0, 0, 0, 1]])


def volume() -> Image:
    """Dim, with one bright voxel, coloured."""
    pixels = np.full((3, 12, 10, 5), 0.2, np.float32)
    pixels[:, 3, 7, 2] = 1
    pixels[1:] *= 0.5
    return Image(pixels, affine=AFFINE)


@pytest.mark.parametrize("suffix", [".gif", ".apng"])
def test_a_cine_shows_every_slice_in_true_proportions(tmp_path: Path, suffix: str) -> None:
    target = write_cine(volume(), tmp_path / f"cine{suffix}")
    with Pillow.open(target) as film:
        assert film.size == (12, round(10 * 2 / 1.5))  # columns across the patient, rows from front to back
        assert film.n_frames >= 3  # equal frames in a row may be merged
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("L")))
    brightest = max(frames, key=np.max)
    row, column = np.unravel_index(brightest.argmax(), brightest.shape)
    assert column == 3  # the first axis runs to the patient's left, which is on the right
    assert row < 5  # the second runs to the front, which is up


def test_pictures_and_other_suffixes_have_no_cine(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cine"):
        write_cine(volume(), tmp_path / "cine.mp4")
    with pytest.raises(InputError, match="volumes"):
        write_cine(Image(np.zeros((1, 4, 4), np.float32)), tmp_path / "cine.gif")
