"""NIfTI-1 and -2 through nibabel; `trifuse.io.nifti_place` decides between the two affines of a header."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.core.image import Image, Modality, guess_modality
from trifuse.io.average import mean_weights
from trifuse.io.display import grey_if_equal, is_ct, levels, over_black, scan_view
from trifuse.io.formats import Format
from trifuse.io.guard import guarded
from trifuse.io.nifti_place import is_told, place
from trifuse.io.request import Request
from trifuse.io.sniff import is_gzip

_MARK = b"trifuse"
"""Description in the headers we write: with it, cal_min and cal_max are the window, so that it survives."""

_ATLASES = {3: "1.2.840.10008.1.4.1.1", 4: "1.2.840.10008.1.4.1.15"}
"""Standard spaces by form code of the header (Talairach, MNI 152), as the DICOM UIDs of their frames of reference."""

_VECTORS = (1005, 1006, 1007)
"""Intent codes of symmetric matrices, displacements and vectors."""

_BLOCK = 2**20

_RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def read(request: Request) -> Image:
    """NIfTI file as an image on its own voxel axes, native values as nibabel scales them.

    Volumes of one 3D grid over time or contrast (4D) need `frame`; "mean" weights them by the `FrameDuration` of a BIDS
    file beside it, where there is one (Brain Imaging Data Structure 1.10, PET). RGB and RGBA voxels become colour. A
    header in metres or micrometres is brought to millimetres.

    Raises:
        InputError: if it is damaged, truncated, too large, complex, or 4D and no frame is chosen.
    """
    import nibabel as nib

    opener = gzip.open if is_gzip(request.path) else open
    with guarded(request.origin, "NIfTI"), opener(request.path, "rb") as stream:
        second = stream.read(8)[4:] == b"n+2\0"
        stream.seek(0)
        holder = nib.FileHolder(fileobj=stream)
        kind = nib.Nifti2Image if second else nib.Nifti1Image
        loaded = kind.from_file_map({"header": holder, "image": holder}, mmap=False)
        _check_length(loaded, request)
        image = from_nibabel(loaded, request)
        drained(stream, request)
        return image


def from_nibabel(loaded: Any, request: Request) -> Image:
    """Image of a nibabel spatial image, read through its proxy so that only the chosen frame is decoded.

    Raises:
        InputError: as `read`.
    """
    shape = tuple(int(n) for n in loaded.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) < 2:
        raise InputError(f"{request.origin}: an image of shape {shape} has no rows and columns; give 2D or 3D data")
    if len(shape) > 4 and _intent(loaded) in _VECTORS:
        raise InputError(
            f"{request.origin}: holds {shape[4]} components of a vector at every voxel (a deformation?), which are no "
            "image; give the image"
        )
    number_type = loaded.get_data_dtype()
    colours = len(number_type.names or ()) or 1
    stored = number_type.itemsize / colours
    request.check_size((*shape[:3], colours), 4 + stored + (8 if _is_scaled(loaded) else stored))
    frames = request.choose(int(np.prod(shape[3:], dtype=np.int64)), "volumes (4D)")
    notes: tuple[str, ...]
    if len(frames) > 1:
        weights, note = mean_weights(_durations(request, len(frames)), "volumes")
        total = np.zeros((colours if colours < 4 else 3, *shape[:3]))
        for index, weight in zip(frames, weights, strict=True):
            total += weight * _channels(_frame(loaded, shape, index), request)[0]
        values, notes = total, (note,)
    else:
        values, notes = _channels(_frame(loaded, shape, frames[0]), request)
    values = grey_if_equal(values)
    modality, window, seen = guess_modality(request.path), (0.0, 255.0), ""
    if colours == 1:
        modality, window, seen = scan_view(values, modality, request.origin)
        own = _own_window(loaded)
        window, seen = (own, "") if own is not None else (window, seen)
    notes += (seen,) if seen else ()
    affine, unplaced = place(loaded)
    image = Image.from_native(
        values,
        affine=affine,
        modality=modality,
        window=window,
        origin=request.origin,
        notes=notes + unplaced,
        frame_of_reference=_atlas(loaded),
        units="HU" if modality is Modality.CT and is_ct(values) else "",
    )
    return replace(image, known_place=is_told(loaded))


def _is_scaled(loaded: Any) -> bool:
    """Whether the header scales the values, which then become float64."""
    slope, inter = (getattr(loaded.dataobj, name, default) for name, default in (("slope", 1.0), ("inter", 0.0)))
    return (slope, inter) != (1.0, 0.0)


def _intent(loaded: Any) -> int:
    return int(loaded.header["intent_code"]) if "intent_code" in loaded.header else 0


def drained(stream: Any, request: Request) -> None:
    """Reads a packed file to its end: its checksum, which tells flipped bits from true ones, is compared only there.

    Raises:
        InputError: if more lies behind the image than the memory limit allows.
    """
    if not isinstance(stream, gzip.GzipFile):
        return
    found = 0
    while block := stream.read(_BLOCK):
        found += len(block)
        if found > request.limit:
            raise InputError(f"{request.origin}: unpacks to far more than its image; copy or export it anew")


def to_nibabel(image: Image) -> Any:
    """`nibabel.Nifti1Image` of an image: float32 native values, or RGB24 for colour, sform and qform set.

    A sheared affine fits the sform only; the qform code is then 0, so that no reader takes a wrong place from it.
    """
    import nibabel as nib

    data: NDArray[Any]
    if image.channels == 3:
        data = np.ascontiguousarray(np.moveaxis(levels(image.pixels, 8), 0, -1)).view(_RGB24)[..., 0]
    else:
        data = _single(image)
    made = nib.Nifti1Image(data, image.affine)
    header = made.header
    header.set_xyzt_units("mm")
    header["descrip"] = _MARK
    if image.channels == 1:
        header["cal_min"], header["cal_max"] = image.window
    made.set_sform(image.affine, code="scanner")
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    orthogonal = np.allclose(axes.T @ axes, np.eye(3), atol=1e-4)
    made.set_qform(image.affine, code="scanner" if orthogonal else 0)
    return made


def _single(image: Image) -> NDArray[np.float32]:
    """Native values `(*space)` in float32, made plane by plane: no volume is held in float64."""
    if image.stored is not None:
        return np.asarray(image.stored[0]).astype(np.float32)
    values = np.empty(image.space, np.float32)
    for plane, pixels in zip(values, image.pixels[0], strict=True):
        plane[...] = image.with_pixels(pixels.reshape(1, len(pixels), -1)).native().reshape(pixels.shape)
    return values


def write(image: Image, path: Path) -> None:
    """Writes NIfTI-1, compressed if the name ends in `.gz`; see `to_nibabel`."""
    to_nibabel(image).to_filename(path)


def _check_length(loaded: Any, request: Request) -> None:
    """An uncompressed file shorter than its header says is refused before memory is taken for it."""
    if is_gzip(request.path):
        return
    needed = int(np.prod(loaded.shape, dtype=np.float64)) * loaded.get_data_dtype().itemsize + int(
        loaded.dataobj.offset
    )
    found = request.path.stat().st_size
    if found < needed:
        raise InputError(
            f"{request.origin}: truncated: {found} bytes where its header announces {needed}; copy it anew"
        )


def _frame(loaded: Any, shape: tuple[int, ...], index: int) -> NDArray[Any]:
    """One volume (or slice) of a file; frames beyond the fourth axis are counted with that axis fastest."""
    picked = np.unravel_index(index, shape[3:], order="F") if len(shape) > 3 else ()
    trailing = (0,) * (len(loaded.shape) - len(shape))
    if not picked and not trailing:
        return np.asanyarray(loaded.dataobj)
    where = (slice(None),) * min(len(shape), 3) + tuple(int(i) for i in picked) + trailing
    return np.asanyarray(loaded.dataobj[where])


def _durations(request: Request, count: int) -> list[float | None]:
    """Seconds that each frame was measured, from the BIDS file beside it (`pet.json` beside `pet.nii.gz`)."""
    name = request.path.name
    for suffix in (".gz", ".nii"):
        name = name.removesuffix(suffix)
    beside = request.path.with_name(f"{name}.json")
    try:
        durations = json.loads(beside.read_text(encoding="utf-8"))["FrameDuration"]
        seconds = [float(length) for length in durations]
    except (OSError, ValueError, KeyError, TypeError):
        return [None] * count
    return [*seconds] if len(seconds) == count else [None] * count


def _channels(data: NDArray[Any], request: Request) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Channel-first values in the machine's byte order, at most float64."""
    if data.dtype.names:
        parts = np.stack([data[name] for name in data.dtype.names])
        return over_black(parts[:3], parts[3]) if len(parts) == 4 else (parts, ())
    if data.dtype.kind == "c":
        raise InputError(f"{request.origin}: holds complex numbers; save their magnitude first")
    if data.dtype.kind == "f" and data.dtype.itemsize > 8:
        data = data.astype(np.float64)
    return data.astype(data.dtype.newbyteorder("="), copy=False)[None], ()


def _own_window(loaded: Any) -> tuple[float, float] | None:
    header = loaded.header
    if "descrip" not in header or bytes(header["descrip"].item()) != _MARK:
        return None
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return (low, high) if np.isfinite([low, high]).all() and low != high else None


def _atlas(loaded: Any) -> str | None:
    """The standard space that the header says its millimetres are in, None if it is the scanner's own or unknown."""
    if "sform_code" not in loaded.header:
        return None
    return _ATLASES.get(int(loaded.header["sform_code"]) or int(loaded.header["qform_code"]))


NIFTI = Format(
    kind="nifti",
    title="NIfTI",
    suffixes=(".nii.gz", ".nii"),
    recognised=lambda head: head.start[344:348] == b"n+1\0" or head.start[4:8] == b"n+2\0",
    read=lambda request: read(request),
    write=lambda image, path, output: write(image, path),
    depths=(32,),
    dims=(2, 3),
    units=True,
)
