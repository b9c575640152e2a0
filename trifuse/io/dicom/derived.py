"""Writing DICOM: a new, derived object per image, which says nothing of the patient unless asked.

A 2D image becomes a Secondary Capture, a volume a multi-frame Secondary Capture whose functional groups place every
frame, grey in 16 bits, colour as 8-bit RGB: one file in either case.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image, Modality
from trifuse.io.arrays import LPS_TO_RAS
from trifuse.io.dicom.header import MAKER
from trifuse.io.display import levels
from trifuse.io.guard import guarded, quiet
from trifuse.io.sniff import is_dicom

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")

_CODES = {Modality.CT: "CT", Modality.PET: "PT", Modality.SPECT: "NM", Modality.US: "US", Modality.OTHER: "OT"}
"""Everything that is not listed is MR."""


def write(image: Image, path: Path, keep_patient: str | Path | None = None) -> None:
    """Writes a derived DICOM object with new UIDs.

    Grey integers of up to 16 bits are stored as they are; other grey values as 16-bit steps between the ends of the
    window, with the slope and intercept that give native units back.

    Args:
        keep_patient: DICOM file, or folder of a series, whose patient, study and frame of reference the object joins;
            None leaves the patient blank and opens a new study.

    Raises:
        InputError: if the grid is sheared, or `keep_patient` is no DICOM file.
    """
    with quiet():
        derived(image, keep_patient).save_as(path, enforce_file_format=True)


def derived(image: Image, keep_patient: str | Path | None = None) -> FileDataset:
    """The object that `write` writes."""
    with quiet():
        made = _shell(image)
        _join(made, keep_patient, image)
        _place(made, image)
        _pixels(made, image)
    return made


def _shell(image: Image) -> FileDataset:
    """Everything but patient, place and pixels."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
        SecondaryCaptureImageStorage,
        generate_uid,
    )

    from trifuse.core.version import __version__

    volume = (
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        if image.channels == 1
        else MultiFrameTrueColorSecondaryCaptureImageStorage
    )
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage if image.dims == 2 else volume
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
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.DerivationDescription = "computed by trifuse; not for diagnosis"
    made.ConversionType = "WSD"
    made.Manufacturer, made.SoftwareVersions = MAKER, __version__
    made.BurnedInAnnotation = "NO"
    return made


def _join(made: Dataset, keep_patient: str | Path | None, image: Image) -> None:
    """Patient and study of a source object, or blanks and a new study."""
    from pydicom.uid import generate_uid

    source = _source(Path(keep_patient)) if keep_patient is not None else None
    for keyword in (*_PATIENT, *_STUDY):
        setattr(made, keyword, source.get(keyword, "") if source is not None else "")
    made.StudyInstanceUID = made.StudyInstanceUID or generate_uid()
    frame = (image.frame_of_reference or source.get("FrameOfReferenceUID")) if source is not None else None
    made.FrameOfReferenceUID = frame or generate_uid()
    made.PositionReferenceIndicator = ""
    made.PatientIdentityRemoved = "NO" if source is not None else "YES"
    if source is None:
        made.DeidentificationMethod = "new object without patient data"


def _source(path: Path) -> Dataset:
    import pydicom

    origin = one_line(path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = next((file for file in files if file.is_file() and is_dicom(file)), None)
    if found is None:
        raise InputError(
            f"{origin}: no DICOM file to take the patient from; give a DICOM file or folder, or leave keep_patient out"
        )
    with guarded(origin, "DICOM"):
        return pydicom.dcmread(found, force=True, stop_before_pixels=True)


def _place(made: Dataset, image: Image) -> None:
    """Position, orientation and spacing: at the top level for a slice, in functional groups for a volume."""
    lps = LPS_TO_RAS @ image.affine
    next_column, next_row = (lps[:3, 1], lps[:3, 0]) if image.dims == 2 else (lps[:3, 0], lps[:3, 1])
    between_slices = float(np.linalg.norm(lps[:3, 2]))
    spacing = [float(np.linalg.norm(next_row)), float(np.linalg.norm(next_column))]
    cosines = np.concatenate([next_column / spacing[1], next_row / spacing[0]])
    normal = np.cross(cosines[:3], cosines[3:])
    leaning = abs(float(normal @ lps[:3, 2])) < 0.999 * between_slices
    if abs(float(cosines[:3] @ cosines[3:])) > 1e-4 or (image.dims == 3 and leaning):
        raise InputError(f"{image.origin}: a sheared grid has no place in DICOM; resample it, or save it as NIfTI")
    if image.dims == 2:
        made.ImagePositionPatient = _decimals(lps[:3, 3])
        made.ImageOrientationPatient = _decimals(cosines)
        made.PixelSpacing = _decimals(spacing)
        made.SliceThickness = _decimals([between_slices])[0]
        return
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
    from pydicom import Dataset as Group
    from pydicom.tag import Tag

    shared = Group()
    shared.PlaneOrientationSequence = PlaneOrientationSequence("PATIENT", _decimals(cosines))
    shared.PixelMeasuresSequence = PixelMeasuresSequence(_decimals(spacing), between_slices, between_slices)
    made.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for index in range(image.space[2]):
        frame = Group()
        frame.PlanePositionSequence = PlanePositionSequence("PATIENT", _decimals(lps[:3, 3] + index * lps[:3, 2]))
        frames.append(frame)
    made.PerFrameFunctionalGroupsSequence = frames
    made.NumberOfFrames = len(frames)
    made.FrameIncrementPointer = Tag("PerFrameFunctionalGroupsSequence")


def _pixels(made: Dataset, image: Image) -> None:
    colour = image.channels == 3
    if colour:
        stored = levels(image.pixels, 8)
    else:
        stored, slope, intercept = _stored_grey(image)
        made.RescaleSlope, made.RescaleIntercept, made.RescaleType = *_decimals([slope, intercept]), "US"
        low, high = sorted(image.window)
        # VOILUTFunction LINEAR_EXACT: the window is centre - width / 2 to centre + width / 2.
        made.WindowCenter, made.WindowWidth = _decimals([(low + high) / 2, high - low])
        made.VOILUTFunction = "LINEAR_EXACT"
    inverted = not colour and image.window[0] > image.window[1]
    made.SamplesPerPixel = image.channels
    made.PhotometricInterpretation = "RGB" if colour else "MONOCHROME1" if inverted else "MONOCHROME2"
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
                return native.astype(kind), 1.0, 0.0
    if image.stored is None:
        low_end, high_end = image.window
        return levels(image.pixels, 16), (high_end - low_end) / 65535, low_end
    finite = native[np.isfinite(native)]
    low_end, high_end = float(finite.min()), float(finite.max())
    span = high_end - low_end or 1.0
    display = np.clip(np.nan_to_num((native.astype(np.float64) - low_end) / span, nan=0.0), 0, 1)
    return np.floor(display * 65535 + 0.5).astype(np.uint16), span / 65535, low_end


def _decimals(values: Any) -> list[Any]:
    """Numbers as decimal strings of at most 16 characters, as DICOM wants them."""
    from pydicom.valuerep import DSfloat

    return [DSfloat(float(value), auto_format=True) for value in np.atleast_1d(values)]
