"""What must not be stacked: projections, mosaics, parts of an object; told by what a header says of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

PLANAR = {"STATIC", "DYNAMIC", "GATED", "WHOLE BODY"}
"""Views of a gamma camera that stands still or moves along the patient (DICOM PS3.3 C.8.4.9, Image Type value 3)."""

_SLICED = {"CT", "MR", "PT", "NM", "ST"}
"""Modalities whose frames may be slices: their mean is no image."""

_NO_IMAGES = {"SEG", "RTDOSE", "RTSTRUCT", "PR", "KO", "SR", "REG"}
"""Modalities of objects about images."""

DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR."""


def image_type(header: Dataset) -> list[str]:
    """Values of ImageType, upper case."""
    listed = header.get("ImageType") or []
    return [str(value).upper() for value in ([listed] if isinstance(listed, str) else listed)]


def nuclear_kind(dataset: Dataset) -> str:
    """What frames of nuclear medicine are: "RECON TOMO", "TOMO", "STATIC" ...; "" for other objects.

    An object that does not say it is a reconstruction if it numbers slices, and projections if it describes a rotation.
    """
    if dataset.get("Modality") not in ("NM", "ST"):
        return ""
    told = image_type(dataset)[2:3]
    if told and (told[0] in PLANAR or "TOMO" in told[0]):
        return told[0]
    if dataset.get("SliceVector"):
        return "RECON TOMO"
    return "TOMO" if dataset.get("RotationInformationSequence") else ""


def check_image(dataset: Dataset, origin: str) -> None:
    """Refuses pictures that are several slices side by side.

    Raises:
        InputError: if it is a mosaic of Siemens.
    """
    block = dataset.get((0x0019, 0x100A))
    tiles = block.value if block is not None and dataset.get((0x0019, 0x0010)) is not None else 0
    if any(word.startswith("MOSAIC") for word in image_type(dataset)) or (isinstance(tiles, int) and tiles > 1):
        raise InputError(
            f"{origin}: a mosaic: the slices of a volume side by side in one picture; export it as single slices, or "
            "convert it to NIfTI (dcm2niix does)"
        )


def check_stack(dataset: Dataset, origin: str, *, chosen: bool) -> None:
    """Refuses frames that are projections, not slices.

    Args:
        chosen: whether one frame was chosen, which may be looked at by itself.

    Raises:
        InputError: if they are.
    """
    kind = nuclear_kind(dataset)
    if "TOMO" in kind and not kind.startswith("RECON") and not chosen:
        raise InputError(
            f"{origin}: raw projections of a tomography (ImageType {kind}), no slices; reconstruct them first, or "
            "choose one view with --frame (frame= in Python)"
        )
    series_type = [str(word).upper() for word in dataset.get("SeriesType") or []]
    if "REPROJECTION" in series_type and not chosen:
        raise InputError(f"{origin}: reprojections of a PET (SeriesType), no slices; give the series of the slices")


def is_projection(dataset: Dataset) -> bool:
    """Whether frames show the patient from outside, so that their place in the patient means nothing."""
    kind = nuclear_kind(dataset)
    return bool(kind) and not kind.startswith("RECON")


def is_scout(header: Dataset) -> bool:
    """Whether an image is a localizer, which shows where the others lie."""
    return "LOCALIZER" in image_type(header)


def is_capture(header: Dataset) -> bool:
    """Whether an object is a picture of a screen, without a place in the patient."""
    captured = str(header.get("SOPClassUID") or "").startswith("1.2.840.10008.5.1.4.1.1.7")
    return captured and not header.get("ImagePositionPatient")


def is_about_images(header: Dataset) -> bool:
    """Whether an object marks, measures or plans rather than shows."""
    return str(header.get("Modality", "")) in _NO_IMAGES


def may_be_slices(dataset: Dataset) -> bool:
    """Whether frames without place may be slices, or several views, so that their mean is no image."""
    kind = nuclear_kind(dataset)
    return dataset.get("Modality") in _SLICED and kind not in ("DYNAMIC", "GATED")


def is_part(dataset: Dataset) -> bool:
    """Whether an object is one of several that were cut from one (a concatenation)."""
    return bool(dataset.get("ConcatenationUID")) and int(dataset.get("InConcatenationTotalNumber") or 2) > 1


def check_concatenation(parts: Sequence[Dataset], origin: str) -> None:
    """Refuses the parts of an object if one is missing.

    Raises:
        InputError: if so.
    """
    numbers = sorted(int(part.get("InConcatenationNumber") or 0) for part in parts)
    total = max(int(part.get("InConcatenationTotalNumber") or 0) for part in parts) or max(numbers)
    if numbers != list(range(1, total + 1)) or (total == 1 and len(parts) == 1):
        raise InputError(
            f"{origin}: {len(numbers)} of the {total if total > 1 else 'several'} files of one object (a "
            "concatenation); give the folder that holds all of them"
        )
