"""NRRD and MetaImage: values in a file of their own, frames and channels, other conventions, what is not there."""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from tests.io.makers import STEPS, VOLUME, sample
from trifuse import io
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image, Modality


def held(values: np.ndarray, *, vector: bool) -> SimpleITK.Image:
    return SimpleITK.GetImageFromArray(values, isVector=vector)


@pytest.mark.parametrize(("packed", "detached"), [(".nrrd", ".nhdr"), (".mha", ".mhd")])
@pytest.mark.parametrize("compress", [False, True])
def test_values_may_lie_in_a_file_of_their_own(tmp_path: Path, packed: str, detached: str, compress: bool) -> None:
    source = SimpleITK.ReadImage(str(sample("nrrd" if packed == ".nrrd" else "metaimage", tmp_path)[0]))
    SimpleITK.WriteImage(source, str(tmp_path / f"apart{detached}"), useCompression=compress)
    image = io.read(tmp_path / f"apart{detached}")
    assert np.array_equal(image.native()[0], VOLUME)
    assert np.allclose(image.affine, STEPS)
    values = next(path for path in tmp_path.glob("apart*") if path.suffix != detached)
    content = values.read_bytes()
    values.write_bytes(content[:-20])
    with pytest.raises(InputError, match=f"apart{detached}"):
        io.read(tmp_path / f"apart{detached}")
    values.unlink()
    with pytest.raises(InputError, match=f"apart{detached}"):
        io.read(tmp_path / f"apart{detached}")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_fourth_axis_and_channels_are_frames(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    times = rng.random((3, 4, 5, 6)).astype(np.float32)  # t, z, y, x
    for name, made in {
        "t": held(times, vector=False),
        "c": held(np.ascontiguousarray(np.moveaxis(times, 0, -1)), vector=True),
    }.items():
        path = tmp_path / f"{name}{suffix}"
        SimpleITK.WriteImage(made, str(path))
        with pytest.raises(InputError, match="3 frames"):
            io.read(path)
        assert np.array_equal(io.read(path, frame=1).native()[0], times[1].T)
        assert io.read(path, frame="mean").native()[0] == pytest.approx(times.mean(axis=0).T, rel=1e-6)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_bytes_in_three_channels_are_colour(tmp_path: Path, suffix: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    SimpleITK.WriteImage(held(levels, vector=True), str(tmp_path / f"a{suffix}"))
    image = io.read(tmp_path / f"a{suffix}")
    assert np.array_equal(image.native(), np.moveaxis(levels, -1, 0))
    assert image.window == (0, 255)


def test_nrrd_of_another_convention_lies_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    head = "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 4 5 6\nendian: little\n"
    fields = "encoding: raw\nspace origin: (-31,42,70)\n"
    axes = " ".join(f"({','.join(f'{x:g}' for x in STEPS[:3, k])})" for k in range(3))
    path.write_bytes(f"{head}space directions: {axes}\n{fields}\n".encode() + VOLUME.tobytes(order="F"))
    image = io.read(path)
    assert np.allclose(image.affine, STEPS)
    assert np.array_equal(image.native()[0], VOLUME)
    path.write_bytes(
        f"{head}{fields}\n".replace("space: right-anterior-superior\n", "")
        .replace("space origin: (-31,42,70)\n", "")
        .encode()
        + VOLUME.tobytes(order="F")
    )
    assert io.read(path).notes == ("its header names no space: taken to run left, back and up",)


def test_metaimage_says_what_made_it(tmp_path: Path) -> None:
    path, _ = sample("metaimage", tmp_path)
    path.write_bytes(path.read_bytes().replace(b"NDims = 3\n", b"NDims = 3\nModality = MET_MOD_CT\n"))
    assert io.read(path).modality is Modality.CT


def test_values_packed_in_another_way_are_named(tmp_path: Path) -> None:
    header = "NRRD0004\ntype: short\ndimension: 2\nsizes: 4 5\nendian: little\nencoding: bzip2\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + bz2.compress(bytes(40)))
    with pytest.raises(InputError, match="packed as bzip2, which is not read here; save it as gzip or raw"):
        io.read(tmp_path / "a.nrrd")


@pytest.mark.parametrize(("name", "instead"), [("a.mhd", ".mha"), ("a.nhdr", ".nrrd")])
def test_headers_without_their_values_are_not_written(tmp_path: Path, name: str, instead: str) -> None:
    image = Image(np.zeros((1, 4, 5, 6), np.float32))
    with pytest.raises(OptionError, match=f"values in a second file, .* write {instead}, which holds both"):
        io.write(image, tmp_path / name)
    assert not list(tmp_path.iterdir())
