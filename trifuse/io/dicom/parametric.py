"""Values in units as a Parametric Map: floats, with the code of their unit, instead of a capture of a screen.

Source: DICOM PS3.3 A.75 and C.8.32 (Parametric Map), C.7.6.16.2.11 (real-world values).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trifuse.core.errors import one_line
from trifuse.core.image import Image
from trifuse.io.dicom.derived import decimals, functional_groups, join, placement, shell
from trifuse.io.dicom.references import code, item

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset

UNITS = {
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "SUV": ("{SUVbw}g/ml", "Standardized Uptake Value body weight"),
    "Bq/ml": ("Bq/ml", "Becquerels/milliliter"),
    "kBq/ml": ("kBq/ml", "Kilobecquerels/milliliter"),
}
"""Units of an image -> UCUM code and meaning."""

_CLASS = "1.2.840.10008.5.1.4.1.1.30"
_TYPE = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]


def parametric_map(image: Image, keep_patient: str | Path | None = None) -> FileDataset:
    """A Parametric Map of the native values (float32) of a grey image in one of `UNITS`.

    Raises:
        InputError: if the grid is sheared, or `keep_patient` is no DICOM file.
    """
    made = shell(image, _CLASS)
    made.ImageType, made.ContentQualification = _TYPE, "RESEARCH"
    made.ContentLabel, made.ContentDescription = "TRIFUSE", one_line(f"values in {image.units}")
    made.ContentCreatorName, made.BurnedInAnnotation = "", made.get("BurnedInAnnotation", "NO")
    made.RecognizableVisualFeatures = "YES"  # the surface of a head shows a face
    made.LossyImageCompression, made.PresentationLUTShape = "00", "IDENTITY"
    made.AcquisitionContextSequence = []
    join(made, keep_patient, image)
    where = placement(image)
    shared, frames = functional_groups(where)
    _describe(shared[0], image)
    _number(made, frames)
    made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = shared, frames
    made.NumberOfFrames = len(frames)
    _values(made, image)
    return made


def _describe(shared: Dataset, image: Image) -> None:
    """Units, window, kind of frame and anatomy, which all frames have in common."""
    low, high = sorted(image.window)
    centre, width = decimals([(low + high) / 2, high - low])
    finite = image.native()[np.isfinite(image.native())]
    unit, meaning = UNITS[image.units]
    shared.RealWorldValueMappingSequence = [
        item(
            DoubleFloatRealWorldValueFirstValueMapped=float(finite.min()),
            DoubleFloatRealWorldValueLastValueMapped=float(finite.max()),
            RealWorldValueIntercept=0.0,
            RealWorldValueSlope=1.0,
            LUTExplanation=one_line(f"values in {image.units}"),
            LUTLabel="TRIFUSE",
            MeasurementUnitsCodeSequence=[code(unit, "UCUM", meaning)],
        )
    ]
    shared.FrameVOILUTSequence = [item(WindowCenter=centre, WindowWidth=width, VOILUTFunction="LINEAR_EXACT")]
    shared.PixelValueTransformationSequence = [item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")]
    shared.ParametricMapFrameTypeSequence = [item(FrameType=_TYPE)]
    region = code("38266002", "SCT", "Entire body")
    shared.FrameAnatomySequence = [item(FrameLaterality="U", AnatomicRegionSequence=[region])]


def _number(made: Dataset, frames: list[Dataset]) -> None:
    """Frames are one stack, counted along its normal."""
    from pydicom.tag import Tag
    from pydicom.uid import generate_uid

    uid = generate_uid()
    made.DimensionOrganizationSequence = [item(DimensionOrganizationUID=uid)]
    made.DimensionOrganizationType = "3D"
    made.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=Tag("InStackPositionNumber"),
            FunctionalGroupPointer=Tag("FrameContentSequence"),
        )
    ]
    for number, frame in enumerate(frames, start=1):
        frame.FrameContentSequence = [item(StackID="1", InStackPositionNumber=number, DimensionIndexValues=[number])]


def _values(made: Dataset, image: Image) -> None:
    native = image.native()
    frames = native if image.dims == 2 else native[0].transpose(2, 1, 0)  # frames, rows, columns
    made.Rows, made.Columns = frames.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.BitsAllocated = 1, "MONOCHROME2", 32
    made.FloatPixelData = np.ascontiguousarray(frames).astype("<f4").tobytes()
