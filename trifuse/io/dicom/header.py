"""What a DICOM header says about one frame: where it lies, what made it, what its numbers mean, how to show it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import one_line
from trifuse.core.image import PICTURE_AFFINE, Image, Modality, guess_modality
from trifuse.core.lineage import Instance, Lineage
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom.diffusion import b_value
from trifuse.io.dicom.kinds import is_projection
from trifuse.io.dicom.units import real_world, value_units
from trifuse.io.dicom.values import first_number, narrowed, without_padding
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

_MEASURES = (Modality.CT, Modality.PET, Modality.SPECT)

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
    "PixelAspectRatio",
    "SequenceOfUltrasoundRegions",
    "SliceThickness",
    "SpacingBetweenSlices",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "DoseGridScaling",
    "DoseUnits",
    "Units",
    "SUVType",
    "RealWorldValueMappingSequence",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "ImageType",
    "EchoTime",
    "EchoNumbers",
    "DiffusionBValue",
    "InversionTime",
    "FlipAngle",
    "KVP",
    "AcquisitionNumber",
    "InstanceNumber",
    "TemporalPositionIdentifier",
    "FrameReferenceTime",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "TriggerTime",
    "ActualFrameDuration",
)
"""Attributes that reading asks for."""

PLACING = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
"""Those that say where a frame lies."""

_FOR_DISPLAY = ("WindowCenter", "WindowWidth", "VOILUTFunction")
"""Those that may be nonsense without harm."""


def frame_header(dataset: Dataset, index: int) -> Dataset:
    """Header of frame `index` with everything at its top level, where single-frame objects have it.

    Holds the attributes in `_USED`. The shared functional groups of an enhanced object are laid over its own
    attributes, those of the frame over these.
    """
    from pydicom import Dataset as Flat

    header = Flat()
    header.file_meta = dataset.file_meta
    for keyword in _USED:
        if keyword in dataset:
            try:
                header[keyword] = dataset[keyword]
            except ValueError:  # text where a number should be
                if keyword not in _FOR_DISPLAY:
                    raise
    if "DiffusionBValue" not in header and (strength := b_value(dataset)) is not None:
        header.DiffusionBValue = strength
    _lay_groups(header, dataset, index)
    if dataset.get("DetectorInformationSequence"):
        _lay_detector(header, dataset, index)
    offsets = dataset.get("GridFrameOffsetVector")
    if offsets is not None and is_placed(header):
        beside = (float(np.atleast_1d(offsets)[index]) - float(np.atleast_1d(offsets)[0])) * plane_normal(header)
        place = list(np.array(header.ImagePositionPatient, dtype=float) + beside)
        del header.ImagePositionPatient  # the element itself belongs to the object
        header.ImagePositionPatient = place
    return header


_VECTORS = ("EnergyWindowVector", "TimeSlotVector")
"""What tells frames of nuclear medicine at one place apart: one number for each frame."""


def _lay_detector(header: Dataset, dataset: Dataset, index: int) -> None:
    """Place of a frame of nuclear medicine: slices follow each other along the normal of the first."""
    for keyword in _VECTORS:
        numbers = dataset.get(keyword)
        if numbers is not None:
            setattr(header, keyword, np.atleast_1d(numbers)[index])
    detector = dataset.DetectorInformationSequence[0]
    if is_projection(dataset):
        return
    if detector.get("ImageOrientationPatient"):
        header.ImageOrientationPatient = detector.ImageOrientationPatient
        if detector.get("ImagePositionPatient"):
            step = slice_number(dataset, index) * slice_step(dataset) * plane_normal(header)
            header.ImagePositionPatient = list(np.array(detector.ImagePositionPatient, dtype=float) + step)


def slice_number(dataset: Dataset, index: int) -> int:
    """Which slice, from 0, frame `index` of a reconstruction shows."""
    numbers = dataset.get("SliceVector")
    return index if numbers is None else int(np.atleast_1d(numbers)[index]) - 1


def slice_step(dataset: Dataset) -> float:
    """Distance in mm from one slice to the next along the normal; negative where they go against it."""
    return float(dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 1)


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


def lineage(datasets: Sequence[Dataset]) -> Lineage:
    """Whose image some objects make, and which objects they are."""
    first = datasets[0]
    names = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    instances = (Instance(*(str(dataset.get(name) or "") for name in names)) for dataset in datasets)
    said = {str(dataset.get("BurnedInAnnotation") or "") for dataset in datasets}
    return Lineage(
        patient=(str(first.get("PatientID") or ""), str(first.get("PatientName") or ""), _birth_date(first)),
        instances=tuple(instance for instance in instances if instance.uid and instance.sop_class),
        burned_in="YES" if "YES" in said else "NO" if said == {"NO"} else "",
    )


def _birth_date(dataset: Dataset) -> str:
    return str(dataset.get("PatientBirthDate") or "")


def is_placed(header: Dataset) -> bool:
    """Whether a frame says where it lies in the patient."""
    return all(header.get(name) for name in PLACING)


def plane_normal(header: Dataset) -> NDArray[np.float64]:
    """Normal of a frame in LPS: direction of its rows x direction of its columns."""
    along_row, down_column = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    return np.cross(along_row, down_column)


def turned_mm(header: Dataset, cosines: NDArray[np.float64]) -> float:
    """How far the edges of a frame lie from where other direction cosines `(2, 3)` would put them."""
    own = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in header.PixelSpacing)
    half = np.array([int(header.Columns) * between_columns, int(header.Rows) * between_rows]) / 2
    return float((np.linalg.norm(own - cosines, axis=1) * half).sum())


def in_plane_axes(header: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """LPS steps in mm from one column to the next, and from one row to the next."""
    along_row, down_column = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in header.PixelSpacing)
    return along_row * between_columns, down_column * between_rows


def pixel_size(header: Dataset) -> tuple[float, float]:
    """Distance in mm from row to row and from column to column; (1, 1) where the header tells none."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if header.get(keyword):
            return float(header[keyword].value[0]), float(header[keyword].value[1])
    regions = {size for region in header.get("SequenceOfUltrasoundRegions") or [] if (size := _region_size(region))}
    if len(regions) == 1:
        return regions.pop()
    aspect = header.get("PixelAspectRatio")
    if aspect and float(aspect[0]) > 0 and float(aspect[1]) > 0:
        return float(aspect[0]) / float(aspect[1]), 1.0
    return 1.0, 1.0


def _region_size(region: Dataset) -> tuple[float, float] | None:
    """Pixel size in mm of a region of a sonogram that shows tissue in 2D (DICOM PS3.3 C.8.5.5)."""
    centimetres = 3
    units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
    sizes = (abs(float(region.get("PhysicalDeltaY") or 0)), abs(float(region.get("PhysicalDeltaX") or 0)))
    if region.get("RegionSpatialFormat") != 1 or units != (centimetres, centimetres) or not min(sizes) > 0:
        return None
    return round(10 * sizes[0], 9), round(10 * sizes[1], 9)


def plane_affine(header: Dataset) -> NDArray[np.float64]:
    """Affine (row, column, 0) -> RAS of one frame; `PICTURE_AFFINE` at the pixel's size where it has no place."""
    if not is_placed(header):
        return PICTURE_AFFINE @ np.diag([*pixel_size(header), 1, 1])
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
    try:
        centre, width = (first_number(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    except ValueError:  # text where a number should be
        return None
    if centre is None or width is None or not (np.isfinite([centre, width]).all() and width > 0):
        return None
    if str(header.get("VOILUTFunction") or "LINEAR") == "LINEAR":
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    else:
        low, high = centre - width / 2, centre + width / 2
    return (low, high) if high > low else None


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
    values, remarks = without_padding(values, inverted=_is_inverted(header))
    notes = (*notes, *remarks)
    values = narrowed(grey_if_equal(values))
    mapping = real_world(header)
    if mapping is not None and mapping.unit not in ("", "1"):
        notes = (*notes, f"real-world values in {one_line(mapping.unit)}")
    made_by = modality(header, request)
    ours = header.get("Manufacturer") == MAKER
    if header.get("PhotometricInterpretation") == "PALETTE COLOR" or int(header.get("SamplesPerPixel") or 1) > 1:
        window = _colour_window(values, header)
    else:
        of_header = voi_window(header) if made_by is Modality.CT or ours else None
        if of_header is None and made_by is Modality.CT and (header.get("WindowWidth") or header.get("WindowCenter")):
            notes = (*notes, "the window in its header is none: not used")
        window = of_header or scan_window(values, made_by, request.origin)
    if _is_inverted(header):
        window = window[::-1]
    elif header.get("PhotometricInterpretation") == "MONOCHROME1":
        notes = (*notes, f"is stored to be shown dark on white: high values of {made_by.value} are shown bright")
    frame = str(header.get("FrameOfReferenceUID") or "") or None
    return Image.from_native(
        values,
        affine=affine,
        modality=made_by,
        window=window,
        origin=request.origin,
        notes=notes,
        frame_of_reference=frame,
        units=value_units(header),
    )


def _is_inverted(header: Dataset) -> bool:
    """Whether low values are to be shown bright; never for measures (HU, activity), which are fused as they are."""
    if header.get("PhotometricInterpretation") != "MONOCHROME1":
        return False
    return header.get("Manufacturer") == MAKER or _MADE_BY.get(str(header.get("Modality", ""))) not in _MEASURES


def _colour_window(values: NDArray[Any], header: Dataset) -> tuple[float, float]:
    """The whole range of a colour: palettes use all bits of their type, RGB those that the header calls stored."""
    palette = header.get("PhotometricInterpretation") == "PALETTE COLOR"
    bits = 8 * values.dtype.itemsize if palette or values.dtype.itemsize == 1 else int(header.BitsStored)
    return 0.0, 2.0**bits - 1
