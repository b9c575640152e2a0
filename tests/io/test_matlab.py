"""MATLAB files of both kinds: one array, one of several, volumes, what is no array of numbers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from tests.io.makers import PICTURE
from trifuse import io
from trifuse.core.errors import InputError


def version73(path: Path, **arrays: np.ndarray) -> Path:
    """As MATLAB saves with -v7.3: HDF5 behind 512 bytes of its own, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            held = file.create_dataset(name, data=values.T)
            held.attrs["MATLAB_class"] = np.bytes_(
                {"float64": "double", "bool": "logical"}.get(str(values.dtype), str(values.dtype))
            )
    start = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as stream:
        stream.write(start)
    return path


@pytest.mark.parametrize("version", [5, 7.3])
def test_one_of_several_arrays_is_chosen_by_name(tmp_path: Path, version: float) -> None:
    arrays = {"t1": PICTURE / 255, "pet": np.linspace(0, 1, 13 * 11 * 4).reshape(13, 11, 4), "tiny": np.eye(3)}
    path = tmp_path / "a.mat"
    if version == 5:
        scipy.io.savemat(path, arrays, do_compression=True)
    else:
        version73(path, **arrays)
    with pytest.raises(InputError, match=r"several arrays.*--series.*t1 \(13 x 11\), pet \(13 x 11 x 4\)|pet.*t1"):
        io.read(path)
    assert np.array_equal(io.read(path, series="t1").native()[0], arrays["t1"])
    assert np.array_equal(io.read(path, series="pet").native()[0], arrays["pet"])
    with pytest.raises(InputError, match="has no array ct"):
        io.read(path, series="ct")


def test_version_73_is_recognised_and_turned(tmp_path: Path) -> None:
    path = version73(tmp_path / "a.mat", image=PICTURE)
    assert np.array_equal(io.read(path).native()[0], PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.mat"):
        io.read(path)


def test_complex_numbers_text_and_nothing_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"k": PICTURE * 1j})
    with pytest.raises(InputError, match="complex"):
        io.read(tmp_path / "a.mat")
    scipy.io.savemat(tmp_path / "b.mat", {"word": "none", "size": np.arange(3)})
    with pytest.raises(InputError, match="no array of numbers"):
        io.read(tmp_path / "b.mat")
