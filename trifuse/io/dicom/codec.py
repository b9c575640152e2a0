"""Decoding of DICOM pixel data: pydicom where it has a decoder, else GDCM through SimpleITK.

JPEG lossless and JPEG-LS are common in archives, and pydicom needs further packages for them that SimpleITK brings.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trifuse.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset


def decoded(dataset: Dataset, index: int | None, origin: str) -> NDArray[Any]:
    """Stored values of frame `index`, `(rows, columns)` or `(rows, columns, 3)` in RGB; of all, stacked, if None.

    Raises:
        InputError: if nothing here can decode the transfer syntax.
    """
    from pydicom.pixels import get_decoder, pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed and syntax.is_encapsulated and not _has_decoder(get_decoder, syntax):
        frames = _through_gdcm(dataset, origin)
        return frames if index is None else frames[index]
    count = int(dataset.get("NumberOfFrames") or 1)
    values: NDArray[Any] = pixel_array(dataset, index=index if count > 1 else None)
    return values


def _has_decoder(get_decoder: Any, syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _through_gdcm(dataset: Dataset, origin: str) -> NDArray[Any]:
    """All frames `(frames, rows, columns[, 3])`, from a bare copy without rescaling, which GDCM would apply."""
    import SimpleITK
    from pydicom import Dataset as Bare
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    bare = Bare()
    for element in dataset.group_dataset(0x0028):
        bare.add(element)
    for keyword in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "FrameIncrementPointer"):
        if keyword in bare:
            delattr(bare, keyword)
    bare.PixelData = dataset.PixelData
    bare["PixelData"].is_undefined_length = True
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.file_meta = dataset.file_meta
    loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.dcm"
        bare.save_as(path, enforce_file_format=False)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            values = SimpleITK.GetArrayFromImage(reader.Execute())
        except RuntimeError as error:
            raise InputError(
                f"{origin}: its pixels ({dataset.file_meta.TransferSyntaxUID.name}) are damaged or in a compression "
                "that cannot be decoded; export it uncompressed"
            ) from error
        finally:
            SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)
    count, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    size = (count, int(dataset.Rows), int(dataset.Columns), *((samples,) if samples > 1 else ()))
    return np.ascontiguousarray(values).reshape(size)
