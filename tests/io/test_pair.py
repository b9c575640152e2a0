"""Pairs of .hdr and .img: either half, packed, Analyze without sides, a half that is missing."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.io.makers import STEPS, VOLUME, sample
from trifuse import io
from trifuse.core.errors import InputError


def test_either_half_and_packed_halves_are_read(tmp_path: Path) -> None:
    path, _ = sample("pair", tmp_path)
    for half in (path, path.with_suffix(".hdr")):
        image = io.read(half)
        assert np.array_equal(image.native()[0], VOLUME)
        assert np.allclose(image.affine, STEPS)
        assert image.notes == ()
    for half in (path, path.with_suffix(".hdr")):
        half.with_name(half.name + ".gz").write_bytes(gzip.compress(half.read_bytes()))
        half.unlink()
    assert np.array_equal(io.read(path.with_name("volume.hdr.gz")).native()[0], VOLUME)
    assert np.array_equal(io.read(path.with_name("volume.img.gz")).native()[0], VOLUME)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    path, _ = sample("pair", tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="half of a pair"):
        io.read(path.with_suffix(".hdr"))


def test_analyze_says_nothing_of_sides_and_the_note_does(tmp_path: Path) -> None:
    path = tmp_path / "old.img"
    nib.save(nib.AnalyzeImage(VOLUME, np.diag([-2.0, 3, 4, 1])), path)
    (tmp_path / "old.mat").unlink(missing_ok=True)
    image = io.read(path)
    assert np.array_equal(image.native()[0], VOLUME)
    assert image.affine[0, 0] == -2
    assert image.notes == ("Analyze says nothing of sides: first voxel taken as the right",)


def test_spm_says_the_place_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "spm.img"
    nib.save(nib.Spm99AnalyzeImage(VOLUME, STEPS), path)
    assert path.with_suffix(".mat").is_file()
    image = io.read(path.with_suffix(".hdr"))
    assert np.allclose(image.affine, STEPS)
    assert image.notes == ()
