"""Writing a volume as a DICOM series: one derived object for each slice, all in one folder."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trifuse.core.image import Image
from trifuse.core.lineage import Lineage
from trifuse.io.dicom.derived import derived
from trifuse.io.dicom.references import encoded, spliced

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset


def write_series(image: Image, folder: Path, keep_patient: str | Path | None = None) -> None:
    """Writes `slice-0001.dcm` ... into an existing folder: one study, one series, one frame of reference, new UIDs.

    Args:
        keep_patient: as for a single object, see `trifuse.io.dicom.write`.

    Raises:
        InputError: if the grid is sheared, or `keep_patient` is no DICOM file.
    """
    first: FileDataset | None = None
    references: dict[int, bytes] = {}
    for index in range(image.space[2]):
        slice_ = slice_of(image, index)
        made = derived(slice_ if first is None else replace(slice_, lineage=_without_instances(image)), keep_patient)
        if first is None:
            first, references = made, encoded(made)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            setattr(made, keyword, first[keyword].value)
        made.InstanceNumber = index + 1
        made.SpacingBetweenSlices = made.SliceThickness
        stream = BytesIO()
        made.save_as(stream, enforce_file_format=True)
        content = stream.getvalue() if made is first else spliced(stream.getvalue(), references)
        (folder / f"slice-{index + 1:04d}.dcm").write_bytes(content)


def _without_instances(image: Image) -> Lineage | None:
    return None if image.lineage is None else replace(image.lineage, instances=())


def slice_of(image: Image, index: int) -> Image:
    """Slice `index` along the third axis as a 2D image in its place: rows are the second axis, columns the first."""
    affine = image.affine.copy()
    affine[:, :2] = image.affine[:, [1, 0]]
    affine[:3, 3] = (image.affine @ [0, 0, index, 1])[:3]
    pixels = np.ascontiguousarray(image.pixels[..., index].swapaxes(1, 2))
    stored = None if image.stored is None else np.ascontiguousarray(image.stored[..., index].swapaxes(1, 2))
    return replace(image, pixels=pixels, affine=affine, stored=stored, notes=())
