"""DICOM files as one image: a slice, a volume, or the part that is asked for; slices are never stacked on a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image
from trifuse.core.progress import track
from trifuse.io.dicom import choose, gather, kinds
from trifuse.io.dicom import header as headers
from trifuse.io.dicom.codec import decoded
from trifuse.io.dicom.frames import check_pixels, frame_count, is_image, load, native_values
from trifuse.io.dicom.gather import Gathered, Piece
from trifuse.io.dicom.parts import Values, chosen, split
from trifuse.io.dicom.placement import settle
from trifuse.io.dicom.suv import in_suv, restoring
from trifuse.io.dicom.volume import stacking
from trifuse.io.guard import guarded
from trifuse.io.picture import averaged
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

_ROUNDED_MM = 0.05
"""Cosines that were rounded by less need no remark."""

_UNPLACED_AXIAL = np.array([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
"""RAS directions of columns, rows and slices where a header names no orientation: as axial slices are shown."""


def read_file(request: Request) -> Image:
    """Single DICOM file as an image; a DICOMDIR as what it lists.

    One frame is a slice (row, column). Several frames that lie at equal distances are a volume (column, row, slice),
    sorted along their normal, or several (echoes, times), of which `frame` chooses one or their mean; others need
    `frame`, which gives that slice in file order.

    Raises:
        InputError: if it is damaged, too large, holds no image, or its frames are neither one nor a volume.
    """
    with guarded(request.origin, "DICOM"):
        dataset = load(request.path, request)
        if str(dataset.file_meta.get("MediaStorageSOPClassUID") or "") == kinds.DIRECTORY:
            return _of_series(gather.listed(dataset, request), request)
        if not is_image(dataset):
            what = one_line(dataset.SOPClassUID.name) if dataset.get("SOPClassUID") else "of unknown class"
            raise InputError(
                f"{request.origin}: this DICOM file holds no image ({what}); give an image file or series folder"
            )
        if kinds.is_part(dataset):
            kinds.check_concatenation([dataset], request.origin)
        pieces, notes = [Piece(request.path, dataset)], ()
        if request.series is not None:
            pieces, notes = choose.chosen(pieces, request)  # type: ignore[assignment]
        return _image(pieces, request, notes)


def read_folder(request: Request) -> Image:
    """The DICOM series in a folder, or in the folders below it, as an image (see `read_file`).

    File names play no part; a file that is there twice counts once.

    Raises:
        ChoiceError: if there are several series and none is chosen.
        InputError: if there is no image, or the images do not lie one behind the other at equal distances.
    """
    with guarded(request.origin, "DICOM series"):
        return _of_series(gather.gathered(request), request)


def _of_series(found: Gathered, request: Request) -> Image:
    pieces, notes = choose.chosen(found.pieces, request)
    gather.check_complete(found, pieces)
    if len(pieces) == 1 and len(found.pieces) == 1:
        request = replace(request, origin=pieces[0].origin)
    whole = [piece for piece in pieces if kinds.is_part(piece.dataset)]
    if whole:
        kinds.check_concatenation([piece.dataset for piece in whole], request.origin)
        pieces.sort(key=lambda piece: int(piece.dataset.get("InConcatenationNumber") or 0))
    return _image(pieces, request, (*found.notes, *notes))


@dataclass(frozen=True)
class _Frames:
    """All frames of a series and their pixels, which are decoded when they are asked for.

    Attributes:
        places: the object and the number in it of each frame.
        flat: header of each (see `frame_header`).
        factors: what the native values of each are multiplied by, if by anything.
        notes: what was decided of their places.
    """

    places: list[tuple[Piece, int]]
    flat: list[Dataset]
    request: Request
    factors: Sequence[float] = ()
    notes: tuple[str, ...] = ()
    held: dict[int, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, pieces: Sequence[Piece], request: Request) -> _Frames:
        """Compares the pixels of an object with what its header announces before anything is done for each frame."""
        for piece in pieces:
            kinds.check_image(piece.dataset, piece.origin)
            if len(pieces) == 1 or frame_count(piece.dataset) > 1:
                _check(piece, request)
        places = [(piece, index) for piece in pieces for index in range(frame_count(piece.dataset))]
        flat = [headers.frame_header(piece.dataset, index) for piece, index in places]
        moved = max(settle(header, piece.origin) for (piece, _), header in zip(places, flat, strict=True))
        told = f"direction cosines were rounded: made straight, which moves edges by up to {moved:.2g} mm"
        nameless = sum(not header.get("FrameOfReferenceUID") for header in flat)
        taken = f"{nameless} of {len(flat)} frames name no frame of reference: taken to be in that of the others"
        notes = [told] if moved > _ROUNDED_MM else []
        return cls(places, flat, request, notes=(*notes, *([taken] if 0 < nameless < len(flat) else [])))

    def native(self, number: int, *, alone: bool = False) -> NDArray[Any]:
        """Native values of a frame; an object's other frames are decoded with it, unless it is needed `alone`."""
        values = self._native(number, alone)
        return values * self.factors[number] if self.factors else values

    def _native(self, number: int, alone: bool) -> NDArray[Any]:
        piece, index = self.places[number]
        dataset = piece.dataset
        with guarded(piece.origin, "DICOM"):
            if frame_count(dataset) == 1:
                return self._only(piece, self.flat[number])
            if alone:
                return native_values(decoded(dataset, index, piece.origin), dataset, self.flat[number])
            if id(dataset) not in self.held:
                self.held.clear()
                self.held[id(dataset)] = decoded(dataset, None, piece.origin)
            return native_values(self.held[id(dataset)][index], dataset, self.flat[number])

    def _only(self, piece: Piece, header: Dataset) -> NDArray[Any]:
        """Native values of an object with one frame; of many, encoded pixels are let go of at once."""
        if len(self.places) > 1:
            piece = gather.image_of(piece.path, self.request)[0]
            _check(piece, self.request)
        return native_values(decoded(piece.dataset, 0, piece.origin), piece.dataset, header)

    def whole(self, numbers: Sequence[int]) -> list[Dataset]:
        """Headers of frames with all their attributes, for SUV."""
        return [headers.whole_header(self.places[number][0].dataset, self.places[number][1]) for number in numbers]


def _check(piece: Piece, request: Request) -> None:
    with guarded(piece.origin, "DICOM"):
        check_pixels(piece.dataset, replace(request, origin=piece.origin, path=piece.path))


def _image(pieces: Sequence[Piece], request: Request, notes: tuple[str, ...]) -> Image:
    """The image that the objects of one series form."""
    frames = _Frames.of(pieces, request)
    whole = frames.whole(range(len(frames.places))) if request.units == "suv" else []
    decay = restoring(whole, request) if whole else None
    if decay is not None:
        frames = replace(frames, factors=decay.factors)
    image = _placed(pieces, frames, request) or _unplaced(pieces, frames, request)
    if whole:
        image = in_suv(image, whole, request, decay)
    return replace(
        image, notes=(*notes, *frames.notes, *image.notes), lineage=headers.lineage([p.dataset for p in pieces])
    )


def _placed(pieces: Sequence[Piece], frames: _Frames, request: Request) -> Image | None:
    """The volume, slice or chosen part of frames that say where they lie; None if they do not."""
    flat = frames.flat
    if len(flat) < 2 or not all(headers.is_placed(header) for header in flat):
        return None
    kinds.check_stack(pieces[0].dataset, request.origin, chosen=request.own_frame)
    parts = split(flat)
    one_object = len(pieces) == 1 or any(kinds.is_part(piece.dataset) for piece in pieces)
    if not one_object and any(frame_count(piece.dataset) > 1 for piece in pieces):
        raise choose.several_objects(pieces, "in one series, some of them multi-frame", request)
    if len(parts) == 1 and isinstance(request.frame, int):
        request.check_frames("one volume")
        if one_object:
            return _slice(frames, request.choose(len(flat), "slices")[0], request)
        raise InputError(f"{request.origin}: frame= is not for a series folder; give the file of the slice instead")

    def volume(numbers: Sequence[int]) -> Values:
        return _volume(frames, numbers, request)

    if len(parts) > 1:
        return chosen(parts, flat, volume, request)
    values, affine, notes = volume(parts.frames[0])
    return headers.as_image(values, affine, flat[parts.frames[0][len(flat) // 2]], request, notes=notes)


def _volume(frames: _Frames, numbers: Sequence[int], request: Request) -> Values:
    """Native values, affine and notes of the frames with these numbers: a volume, or a slice if there is one."""
    if len(numbers) == 1:
        return frames.native(numbers[0]), headers.plane_affine(frames.flat[numbers[0]]), ()
    flat = [frames.flat[number] for number in numbers]
    samples, bits = (int(flat[0].get(name) or least) for name, least in (("SamplesPerPixel", 1), ("BitsAllocated", 8)))
    request.check_size((len(flat), int(flat[0].Rows), int(flat[0].Columns), samples), 4 + 2 * bits / 8)
    stack = stacking(flat, request.origin, allow_gaps=request.allow_gaps)
    planes = [frames.native(numbers[index]) for index in track(stack.order, "slices")]
    return stack.even(planes), stack.affine, stack.notes


def _slice(frames: _Frames, number: int, request: Request) -> Image:
    header = frames.flat[number]
    values = frames.native(number, alone=True)
    return headers.as_image(values, headers.plane_affine(header), header, request)


def _unplaced(pieces: Sequence[Piece], frames: _Frames, request: Request) -> Image:
    """The only frame, one that is chosen, or the slices of a reconstruction that does not say where it lies."""
    dataset, flat = pieces[0].dataset, frames.flat
    if len(flat) == 1:
        request.choose(1)
        return _slice(frames, 0, request)
    if len(pieces) > 1:
        what = f"{_lacking(frames)} form no volume"
        raise choose.several_objects(pieces, what, request)
    numbered = request.own_frame
    kinds.check_stack(dataset, request.origin, chosen=numbered)
    if kinds.nuclear_kind(dataset).startswith("RECON") and not numbered:
        return _unplaced_volume(frames, request)
    slices = kinds.may_be_slices(dataset)
    what = "frames that do not say where they lie (no position, orientation or pixel spacing)" if slices else "frames"
    taken = request.choose(len(flat), what, averages=not slices)
    if len(taken) == 1:
        return _slice(frames, taken[0], request)
    header = flat[taken[len(taken) // 2]]
    planes = [frames.native(number) for number in taken]
    note = (f"mean of {len(taken)} frames",)
    return headers.as_image(averaged(planes), headers.plane_affine(header), header, request, notes=note)


def _lacking(frames: _Frames) -> str:
    """Which of the attributes that place a frame are missing, and where, if not everywhere."""
    lost = [
        (piece, [name for name in headers.PLACING if not header.get(name)])
        for (piece, _), header in zip(frames.places, frames.flat, strict=True)
    ]
    lacking = [(piece, names) for piece, names in lost if names]
    if len(lacking) == len(lost):
        return "without position, orientation or pixel spacing"
    piece, names = lacking[0]
    return f"of which {len(lacking)} (such as {one_line(piece.path.name)}) lack {' and '.join(names)}"


def _unplaced_volume(frames: _Frames, request: Request) -> Image:
    """Slices of a reconstruction in the order that their numbers tell, about the origin."""
    piece, flat = frames.places[0][0], frames.flat
    numbers = [headers.slice_number(piece.dataset, index) for index in range(len(flat))]
    slots: dict[tuple[str, ...], list[int]] = {}
    for index, header in enumerate(flat):
        key = tuple(str(header.get(name, "")) for name in ("EnergyWindowVector", "TimeSlotVector"))
        slots.setdefault(key, []).append(index)
    if any(sorted(numbers[i] for i in slot) != list(range(len(slot))) for slot in slots.values()):
        raise InputError(
            f"{request.origin}: its slices do not say where they lie, nor are they numbered one by one (SliceVector); "
            "export it with positions"
        )
    taken = request.choose(len(slots), "gates or energy windows")
    planes: NDArray[Any] | float = 0.0
    for slot in taken:
        order = sorted(list(slots.values())[slot], key=lambda index: numbers[index])
        planes = planes + np.stack([frames.native(index) for index in order], axis=-1) / len(taken)
    values = np.asarray(planes).swapaxes(1, 2)
    if len(taken) == 1:
        values = np.stack([frames.native(index) for index in order], axis=-1).swapaxes(1, 2)
    return replace(_about_origin(values, piece.dataset, flat[0], request), frame_of_reference=None, placed=False)


def _about_origin(values: NDArray[Any], dataset: Dataset, header: Dataset, request: Request) -> Image:
    axes, known = _UNPLACED_AXIAL, header.get("ImageOrientationPatient")
    if known:
        row, column = np.array(known, dtype=np.float64).reshape(2, 3)
        axes = np.stack([row, column, np.cross(row, column)]) * (-1, -1, 1)
    between_rows, between_columns = headers.pixel_size(header)
    steps = np.array([between_columns, between_rows, headers.slice_step(dataset)])
    affine = np.eye(4)
    affine[:3, :3] = (axes * steps[:, None]).T
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(values.shape[1:]) - 1) / 2)
    unknown = "position" if known else "position and orientation"
    taken = "" if known else ", taken as axial slices from the feet to the head, the patient's right on the left"
    note = f"its header tells no {unknown}{taken}: register it (--register rigid)"
    return headers.as_image(values, affine, header, request, notes=(note,))
