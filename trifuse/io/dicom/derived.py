"""Writing DICOM: a new, derived object per image, which says nothing of the patient unless asked.

Display values in 2D become a Secondary Capture, a volume of them a multi-frame Secondary Capture whose functional
groups place every frame, grey in 16 bits, colour as 8-bit RGB; values in units a Parametric Map (see `parametric`). One
file in any case. Sources: DICOM PS3.3 A.8, A.75, C.7.6.1 (General Image), C.12.4 (references).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image, Modality
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom.header import MAKER
from trifuse.io.dicom.references import item, refer
from trifuse.io.display import levels
from trifuse.io.guard import guarded, quiet
from trifuse.io.sniff import is_dicom, walked

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
_LONGEST = {"StudyID": 16, "AccessionNumber": 16, "PatientID": 64}
"""Characters that a value may have (DICOM PS3.5 6.2: SH and LO); some archives write more."""

_CODES = {Modality.CT: "CT", Modality.PET: "PT", Modality.SPECT: "NM", Modality.US: "US", Modality.OTHER: "OT"}
"""Everything that is not listed is MR."""


def derived(image: Image, keep_patient: str | Path | None = None) -> FileDataset:
    """A Secondary Capture of display values, in one frame or several.

    Several frames may not be marked as shown inverted: where low values are bright, a volume's display values are
    written instead of its native ones.
    """
    with quiet():
        if image.dims == 3 and image.window[0] > image.window[1]:
            image = replace(image, window=(0.0, 1.0), stored=None)
        made = shell(image, _class_of(image))
        made.ImageType, made.ConversionType, made.Laterality = ["DERIVED", "SECONDARY"], "WSD", ""
        join(made, keep_patient, image)
        _place(made, image)
        _pixels(made, image)
    return made


def _class_of(image: Image) -> str:
    from pydicom import uid

    if image.dims == 2:
        return str(uid.SecondaryCaptureImageStorage)
    if image.channels == 1:
        return str(uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage)
    return str(uid.MultiFrameTrueColorSecondaryCaptureImageStorage)


def shell(image: Image, sop_class: str) -> FileDataset:
    """A new object of a class with everything but patient, place and pixels."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    from trifuse.core.version import __version__

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    now = datetime.datetime.now()
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.SeriesInstanceUID = generate_uid()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.Modality = _CODES.get(image.modality, "MR")
    made.SeriesDescription = "trifuse" if image.modality is Modality.OTHER else f"trifuse {image.modality.value}"
    made.SeriesNumber, made.InstanceNumber = 1, 1
    made.InstanceCreationDate = made.ContentDate = now.strftime("%Y%m%d")
    made.InstanceCreationTime = made.ContentTime = now.strftime("%H%M%S")
    made.DerivationDescription = "computed by trifuse; not for diagnosis"
    made.Manufacturer = made.ManufacturerModelName = MAKER
    made.SoftwareVersions = made.DeviceSerialNumber = __version__
    said = image.lineage.burned_in if image.lineage is not None else ""
    if said or image.dims == 3:  # several frames must say it; of volumes that do not, none has names in its voxels
        made.BurnedInAnnotation = said or "NO"
    return made


def join(made: Dataset, keep_patient: str | Path | None, image: Image) -> None:
    """Patient and study of a source object and references to all sources, or blanks and a new study."""
    from pydicom.uid import generate_uid

    source = _source(Path(keep_patient)) if keep_patient is not None else None
    for keyword in (*_PATIENT, *_STUDY):
        setattr(made, keyword, source.get(keyword, "") if source is not None else "")
    for keyword, longest in _LONGEST.items():
        setattr(made, keyword, str(made.get(keyword) or "")[:longest])
    made.StudyInstanceUID = made.StudyInstanceUID or generate_uid()
    frame = (image.frame_of_reference or source.get("FrameOfReferenceUID")) if source is not None else None
    made.FrameOfReferenceUID = frame or generate_uid()
    made.PositionReferenceIndicator = ""
    made.PatientIdentityRemoved = "NO" if source is not None else "YES"
    if source is None:
        made.DeidentificationMethod = "new object without patient data"
    elif image.lineage is not None and image.lineage.instances:
        refer(made, image.lineage.instances)


def kept(keep_patient: str | Path, image: Image) -> list[str]:
    """What an object that joins a patient keeps: attributes, and references to its sources.

    Raises:
        InputError: if there is no DICOM file to take it from.
    """
    with quiet():
        source = _source(Path(keep_patient))
    names = [
        f"{keyword} (cut to the {_LONGEST[keyword]} characters that DICOM allows)"
        if len(str(source.get(keyword))) > _LONGEST.get(keyword, 2**16)
        else keyword
        for keyword in (*_PATIENT, *_STUDY)
        if source.get(keyword)
    ]
    names += ["FrameOfReferenceUID"] if image.frame_of_reference or source.get("FrameOfReferenceUID") else []
    count = len(image.lineage.instances) if image.lineage is not None else 0
    return [*names, *([f"references to {count} source objects"] if count else [])]


def _source(path: Path) -> Dataset:
    import pydicom

    origin = one_line(path)
    files = walked(path) if path.is_dir() else [path]
    found = next((file for file in files if file.is_file() and is_dicom(file) and file.name != "DICOMDIR"), None)
    if found is None:
        raise InputError(
            f"{origin}: no DICOM file to take the patient from; give a DICOM file or folder, or leave keep_patient out"
        )
    with guarded(origin, "DICOM"):
        return pydicom.dcmread(found, force=True, stop_before_pixels=True)


@dataclass(frozen=True)
class Placement:
    """Where the frames of an image lie, in LPS mm.

    Attributes:
        cosines: directions of rows and of columns, six numbers.
        spacing: distance from row to row, and from column to column.
        between: distance from slice to slice.
        positions: of the first pixel of each frame.
    """

    cosines: list[Any]
    spacing: list[Any]
    between: float
    positions: list[list[Any]]


def placement(image: Image) -> Placement:
    """Where the frames lie.

    Raises:
        InputError: if the grid is sheared.
    """
    lps = LPS_TO_RAS @ image.affine
    next_column, next_row = (lps[:3, 1], lps[:3, 0]) if image.dims == 2 else (lps[:3, 0], lps[:3, 1])
    between_slices = float(np.linalg.norm(lps[:3, 2]))
    spacing = [float(np.linalg.norm(next_row)), float(np.linalg.norm(next_column))]
    cosines = np.concatenate([next_column / spacing[1], next_row / spacing[0]])
    normal = np.cross(cosines[:3], cosines[3:])
    leaning = abs(float(normal @ lps[:3, 2])) < 0.999 * between_slices
    if abs(float(cosines[:3] @ cosines[3:])) > 1e-4 or (image.dims == 3 and leaning):
        raise InputError(f"{image.origin}: a sheared grid has no place in DICOM; resample it, or save it as NIfTI")
    count = image.space[2] if image.dims == 3 else 1
    positions = [decimals(lps[:3, 3] + index * lps[:3, 2]) for index in range(count)]
    return Placement(decimals(cosines), decimals(spacing), between_slices, positions)


def _place(made: Dataset, image: Image) -> None:
    """Position, orientation and spacing: at the top level for a slice, in functional groups for a volume."""
    where = placement(image)
    made.PatientOrientation = [sides(where.cosines[:3]), sides(where.cosines[3:])]
    if image.dims == 2:
        made.ImagePositionPatient = where.positions[0]
        made.ImageOrientationPatient = where.cosines
        made.PixelSpacing = where.spacing
        made.SliceThickness = decimals([where.between])[0]
        return
    from pydicom.tag import Tag

    made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = functional_groups(where)
    made.NumberOfFrames = len(where.positions)
    made.FrameIncrementPointer = Tag("PerFrameFunctionalGroupsSequence")


def functional_groups(where: Placement) -> tuple[list[Dataset], list[Dataset]]:
    """Shared and per-frame groups that place the frames of a volume."""
    between = decimals(where.between)[0]
    measures = item(PixelSpacing=decimals(where.spacing), SliceThickness=between, SpacingBetweenSlices=between)
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=decimals(where.cosines))],
        PixelMeasuresSequence=[measures],
    )
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=decimals(place))]) for place in where.positions]
    return [shared], frames


def sides(direction: Any) -> str:
    """The side of the patient that a direction in LPS points to, such as "L" or "PH", the main one first."""
    parts = [(abs(float(x)), ("R", "L", "A", "P", "F", "H")[2 * axis + (x > 0)]) for axis, x in enumerate(direction)]
    return "".join(letter for size, letter in sorted(parts, reverse=True) if size > 0.1)[:3]


def _pixels(made: Dataset, image: Image) -> None:
    colour = image.channels == 3
    if colour:
        stored = levels(image.pixels, 8)
    else:
        stored, slope, intercept = _stored_grey(image)
        made.RescaleSlope, made.RescaleIntercept, made.RescaleType = *decimals([slope, intercept]), "US"
        low, high = sorted(image.window)
        # VOILUTFunction LINEAR_EXACT: the window is centre - width / 2 to centre + width / 2.
        made.WindowCenter, made.WindowWidth = decimals([(low + high) / 2, high - low])
        made.VOILUTFunction = "LINEAR_EXACT"
    inverted = not colour and image.window[0] > image.window[1]
    made.SamplesPerPixel = image.channels
    made.PhotometricInterpretation = "RGB" if colour else "MONOCHROME1" if inverted else "MONOCHROME2"
    if not colour:
        made.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    if colour:
        made.PlanarConfiguration = 0
    frames = stored if image.dims == 2 else stored.transpose(0, 3, 2, 1)  # (C, [slices,] rows, columns)
    made.Rows, made.Columns = frames.shape[-2:]
    made.BitsAllocated = made.BitsStored = 8 * stored.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(stored.dtype.kind == "i")
    data = np.ascontiguousarray(np.moveaxis(frames, 0, -1)).astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)


def _stored_grey(image: Image) -> tuple[NDArray[Any], float, float]:
    """16-bit values, and the slope and intercept that give native units back."""
    native = image.native()
    if native.dtype.kind in "biu":
        low, high = int(native.min()), int(native.max())
        for kind in (np.uint16, np.int16):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                # Several frames of grey are unsigned by their class.
                shift = low if image.dims == 3 and low < 0 else 0
                return (native.astype(np.int64) - shift).astype(np.uint16 if shift else kind), 1.0, float(shift)
    if image.stored is None:
        low_end, high_end = image.window
        return levels(image.pixels, 16), (high_end - low_end) / 65535, low_end
    finite = native[np.isfinite(native)]
    low_end, high_end = float(finite.min()), float(finite.max())
    span = high_end - low_end or 1.0
    display = np.clip(np.nan_to_num((native.astype(np.float64) - low_end) / span, nan=0.0), 0, 1)
    return np.floor(display * 65535 + 0.5).astype(np.uint16), span / 65535, low_end


def decimals(values: Any) -> list[Any]:
    """Numbers as decimal strings of at most 16 characters, as DICOM wants them."""
    from pydicom.valuerep import DSfloat

    return [DSfloat(float(value), auto_format=True) for value in np.atleast_1d(values)]
