"""What a DICOM header says about one frame: where it lies, what made it, what its numbers mean, how to show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import one_line
from trifuse.core.image import PICTURE_AFFINE, Image, Modality, guess_modality
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom.units import real_world
from trifuse.io.display import grey_if_equal, scan_window
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset

MAKER = "trifuse"
"""Manufacturer in the objects we write: with it, the header's window is obeyed whatever the modality."""

_MADE_BY = {
    "CT": Modality.CT,
    "PT": Modality.PET,
    "NM": Modality.SPECT,
    "ST": Modality.SPECT,
    "US": Modality.US,
    "IVUS": Modality.US,
}


_USED = (
    "Modality",
    "Manufacturer",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "SequenceName",
    "ContrastBolusAgent",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "Units",
    "RealWorldValueMappingSequence",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "TemporalPositionIdentifier",
    "FrameReferenceTime",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "TriggerTime",
    "ActualFrameDuration",
)
"""Attributes that reading asks for."""


def frame_header(dataset: Dataset, index: int) -> Dataset:
    """Header of frame `index` with everything at its top level, where single-frame objects have it.

    Holds the attributes in `_USED`. The shared functional groups of an enhanced object are laid over its own
    attributes, those of the frame over these. Frames of a nuclear medicine reconstruction follow each other along
    the normal of the first (DICOM PS3.3 C.8.4.15).
    """
    from pydicom import Dataset as Flat

    header = Flat()
    header.file_meta = dataset.file_meta
    for keyword in _USED:
        if keyword in dataset:
            header[keyword] = dataset[keyword]
    _lay_groups(header, dataset, index)
    detectors = dataset.get("DetectorInformationSequence")
    if detectors and "ImagePositionPatient" in detectors[0]:
        header.ImageOrientationPatient = detectors[0].ImageOrientationPatient
        normal = plane_normal(header)
        step = index * float(dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 1)
        header.ImagePositionPatient = list(np.array(detectors[0].ImagePositionPatient, dtype=float) + step * normal)
    return header


def whole_header(dataset: Dataset, index: int) -> Dataset:
    """Header of frame `index` with all attributes but the pixels, functional groups laid over the object's own."""
    from pydicom import Dataset as Flat

    header = Flat()
    header.file_meta = dataset.file_meta
    for tag in dataset.keys():  # noqa: SIM118
        if tag.group != 0x7FE0 and tag not in _GROUPS:
            header[tag] = dataset[tag]
    _lay_groups(header, dataset, index)
    return header


_GROUPS = (0x52009229, 0x52009230)
"""Shared and per-frame functional groups."""


def _lay_groups(header: Dataset, dataset: Dataset, index: int) -> None:
    """Lays the functional groups of a frame over a header; a group of several items (real-world values) is kept."""
    groups = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    groups += list(dataset.get("PerFrameFunctionalGroupsSequence") or [])[index : index + 1]
    for group in groups:
        for element in group:
            if element.keyword == "RealWorldValueMappingSequence":
                header[element.tag] = element
            elif element.VR == "SQ" and element.value:
                header.update(element.value[0])


def is_placed(header: Dataset) -> bool:
    """Whether a frame says where it lies in the patient."""
    return all(header.get(name) for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))


def plane_normal(header: Dataset) -> NDArray[np.float64]:
    """Normal of a frame in LPS: direction of its rows x direction of its columns."""
    along_row, down_column = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    return np.cross(along_row, down_column)


def in_plane_axes(header: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """LPS steps in mm from one column to the next, and from one row to the next."""
    along_row, down_column = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in header.PixelSpacing)
    return along_row * between_columns, down_column * between_rows


def plane_affine(header: Dataset) -> NDArray[np.float64]:
    """Affine (row, column, 0) -> RAS of one frame; `PICTURE_AFFINE` at the pixel's size where it has no place."""
    if not is_placed(header):
        spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing") or (1, 1)
        return PICTURE_AFFINE @ np.diag([float(spacing[0]), float(spacing[1]), 1, 1])
    next_column, next_row = in_plane_axes(header)
    thickness = abs(float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1))
    lps = np.eye(4)
    lps[:3] = np.stack(
        [next_row, next_column, plane_normal(header) * thickness, np.array(header.ImagePositionPatient, dtype=float)],
        axis=1,
    )
    affine: NDArray[np.float64] = LPS_TO_RAS @ lps
    return affine


def modality(header: Dataset, request: Request) -> Modality:
    """From the Modality attribute; an MR sequence from the words of its description, else from the file name.

    "T1 ... GAD", "post", "+C" and the like, or a contrast agent in the header, make a T1 a GAD unless it says "pre".
    """
    code = str(header.get("Modality", ""))
    if code in _MADE_BY:
        return _MADE_BY[code]
    if code != "MR":
        return guess_modality(request.path)
    texts = [str(header.get(name, "")) for name in ("SeriesDescription", "ProtocolName", "SequenceName")]
    words = set(re.split(r"[^A-Z0-9+]+", " ".join(texts).upper()))
    words |= {match for word in words for match in re.findall(r"^(?:T1|T2|PD|FLAIR)", word)}
    contrast = words & {"GAD", "GD", "GADO", "POST", "CE", "+C", "C+", "+GD", "T1C", "T1CE", "CONTRAST"}
    agent = bool(header.get("ContrastBolusAgent"))
    if "FLAIR" in words:
        return Modality.FLAIR
    if "T1" in words:
        return Modality.GAD if (contrast or agent) and not words & {"PRE", "NATIVE", "WITHOUT"} else Modality.T1
    for word in ("T2", "PD"):
        if word in words:
            return Modality(word)
    return Modality.GAD if contrast else guess_modality(request.path)


def voi_window(header: Dataset) -> tuple[float, float] | None:
    """First window of the header as (low, high), by the formula of its VOI LUT function (DICOM PS3.3 C.11.2.1)."""
    centre, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    if str(header.get("VOILUTFunction") or "LINEAR") == "LINEAR":
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    else:
        low, high = centre - width / 2, centre + width / 2
    return (low, high) if high > low else None


def rescaled(values: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Native values of stored ones: slope and intercept, or the modality LUT.

    Whole slopes and intercepts keep integers; others give float64. Objects with real-world values alone give these.
    """
    from pydicom.pixels import apply_modality_lut

    mapping = real_world(header)
    if mapping is not None:
        return mapping.of(values)
    if header.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(values, header))
    slope, intercept = (_first(header.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if (slope, intercept) == (1.0, 0.0):
        return values
    if values.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        wide = np.int32 if values.dtype.itemsize <= 2 and abs(slope) < 2**14 and abs(intercept) < 2**30 else np.int64
        return narrowed(values.astype(wide) * int(slope) + int(intercept))
    return values.astype(np.float64) * slope + intercept


def as_image(
    values: NDArray[Any],
    affine: NDArray[np.float64],
    header: Dataset,
    request: Request,
    *,
    notes: tuple[str, ...] = (),
) -> Image:
    """Image of native values `(C, *space)`; `header` is that of a frame in the middle.

    Raises:
        InputError: if no value is finite.
    """
    values = narrowed(grey_if_equal(values))
    mapping = real_world(header)
    if mapping is not None and mapping.unit not in ("", "1"):
        notes = (*notes, f"real-world values in {one_line(mapping.unit)}")
    made_by = modality(header, request)
    if header.get("PhotometricInterpretation") == "PALETTE COLOR" or int(header.get("SamplesPerPixel") or 1) > 1:
        window = _colour_window(values, header)
    else:
        of_header = voi_window(header) if made_by is Modality.CT or header.get("Manufacturer") == MAKER else None
        window = of_header or scan_window(values, made_by, request.origin)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        window = window[::-1]
    frame = str(header.get("FrameOfReferenceUID") or "") or None
    return Image.from_native(
        values,
        affine=affine,
        modality=made_by,
        window=window,
        origin=request.origin,
        notes=notes,
        frame_of_reference=frame,
    )


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """Wide integers in the smallest of int16, uint16 and int32 that holds them; other types as they are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize <= 2:
        return values
    low, high = int(values.min()), int(values.max())
    for kind in (np.int16, np.uint16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind, copy=False)
    return values


def _colour_window(values: NDArray[Any], header: Dataset) -> tuple[float, float]:
    """The whole range of a colour: palettes use all bits of their type, RGB those that the header calls stored."""
    palette = header.get("PhotometricInterpretation") == "PALETTE COLOR"
    bits = 8 * values.dtype.itemsize if palette or values.dtype.itemsize == 1 else int(header.BitsStored)
    return 0.0, 2.0**bits - 1


def _first(value: Any) -> float | None:
    """First number of an attribute that may be empty, single or multi-valued."""
    if value is None or value == "":
        return None
    if isinstance(value, (str, int, float)):
        return float(value)
    return float(value[0]) if len(value) else None
