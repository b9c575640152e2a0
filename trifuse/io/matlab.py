"""Arrays in MATLAB files (`.mat`): version 5 through SciPy, version 7.3, which is HDF5, through h5py."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.extras import need
from trifuse.core.image import Image, guess_modality
from trifuse.io.arrays import image_of_array
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.matlab_tags import unknown_type
from trifuse.io.request import Request

_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""MATLAB's classes of real numbers."""


def read(request: Request) -> Image:
    """The array of numbers in the file, (rows, columns), (rows, columns, 3) or a volume; `series` names one of several.

    Arrays have no geometry, and their range of grey levels is told as for arrays in memory.

    Raises:
        InputError: if it is damaged or too large, holds no such array, or several and none is chosen.
    """
    with guarded(request.origin, "MATLAB file"):
        with request.path.open("rb") as stream:
            hdf = stream.read(10) == b"MATLAB 7.3"
        if not hdf and (kind := unknown_type(request.path.read_bytes(), request.limit)) is not None:
            raise InputError(
                f"{request.origin}: damaged: there are no data of type {kind} in MATLAB files; save it anew"
            )
        shapes, load = _hdf5(request.path) if hdf else _version5(request.path)
        name = _chosen({name: shape for name, shape in shapes.items() if _is_image(shape)}, request)
        request.check_size(shapes[name])
        values = load(name)
        if values.dtype.kind == "c":
            raise InputError(f"{request.origin}: {one_line(name)} holds complex numbers; save their magnitude first")
        return image_of_array(np.squeeze(values), request.origin, modality=guess_modality(Path(name)))


def _version5(path: Path) -> tuple[dict[str, tuple[int, ...]], Callable[[str], NDArray[Any]]]:
    """Shapes of the arrays of numbers by name, and what loads one."""
    from scipy.io import loadmat, whosmat

    found = {name: tuple(shape) for name, shape, kind in whosmat(path) if kind in _NUMBERS}
    return found, lambda name: np.asarray(loadmat(path, variable_names=[name])[name])


def _hdf5(path: Path) -> tuple[dict[str, tuple[int, ...]], Callable[[str], NDArray[Any]]]:
    """As `_version5`; MATLAB's axes are in the reverse order there."""
    need("matlab", "reading MATLAB files of version 7.3", "h5py")
    import h5py

    def is_numeric(held: Any) -> bool:
        kind = held.attrs.get("MATLAB_class", b"double")
        named = kind.decode() if isinstance(kind, bytes) else str(kind)
        return isinstance(held, h5py.Dataset) and named in _NUMBERS and not held.attrs.get("MATLAB_empty", 0)

    def load(name: str) -> NDArray[Any]:
        with h5py.File(path, "r") as file:
            values = np.asarray(file[name][()]).T
            logical = file[name].attrs.get("MATLAB_class") in (b"logical", "logical")
        if values.dtype.names == ("real", "imag"):
            return values["real"] + 1j * values["imag"]
        return values.astype(bool) if logical else values

    with h5py.File(path, "r") as file:
        found = {name: tuple(reversed(held.shape)) for name, held in file.items() if is_numeric(held)}
    return found, load


def _is_image(shape: tuple[int, ...]) -> bool:
    """Whether an array has rows and columns and is no table of numbers for something else."""
    axes = [n for n in shape if n > 1]
    return len(axes) in (2, 3, 4) and math.prod(axes) >= 64


def _chosen(shapes: dict[str, tuple[int, ...]], request: Request) -> str:
    listed = ", ".join(f"{one_line(name)} ({' x '.join(map(str, shape))})" for name, shape in shapes.items())
    if request.series is not None and request.series in shapes:
        return request.series
    if request.series is not None:
        raise InputError(f"{request.origin}: has no array {one_line(request.series)}; it holds {listed or 'none'}")
    if not shapes:
        raise InputError(f"{request.origin}: holds no array of numbers with rows and columns; save the image alone")
    if len(shapes) > 1:
        raise InputError(
            f"{request.origin}: holds several arrays; choose one with --series (series= in Python): {listed}"
        )
    return next(iter(shapes))


def _begins_as_matlab(start: bytes) -> bool:
    """Version 5 and later: 116 bytes of text, then a version and two letters that tell the byte order."""
    return start.startswith(b"MATLAB") and start[126:128] in (b"IM", b"MI")


MATLAB = Format(
    kind="matlab",
    title="MATLAB file",
    suffixes=(".mat",),
    recognised=lambda head: not head.packed and _begins_as_matlab(head.start),
    read=read,
    dims=(2, 3),
    series=True,
)
