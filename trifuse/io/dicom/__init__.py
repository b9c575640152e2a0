"""DICOM: single files, series folders, multi-frame and enhanced objects; derived objects to write.

pydicom reads. `read_file` and `read_folder` give native values (HU, SUV, Bq/ml, grey levels) as the headers rescale
them; `write` makes a new object.
"""

from __future__ import annotations

from pathlib import Path

from trifuse.core.image import Image
from trifuse.io.dicom.exported import write_series
from trifuse.io.dicom.output import write
from trifuse.io.dicom.series import read_file, read_folder
from trifuse.io.formats import Format, Output
from trifuse.io.sniff import begins_as_dicom

__all__ = ["DICOM", "SERIES", "read_file", "read_folder", "write", "write_series"]


def _write_folder(image: Image, path: Path, output: Output) -> None:
    path.mkdir()
    write_series(image, path, output.keep_patient)


DICOM = Format(
    kind="dicom",
    title="DICOM",
    suffixes=(".dcm",),
    recognised=begins_as_dicom,
    read=read_file,
    write=lambda image, path, output: write(image, path, output.keep_patient),
    depths=(16,),
    dims=(2, 3),
    units=True,
    suv=True,
    patient=True,
    series=True,
)

SERIES = Format(
    kind="series",
    title="DICOM series",
    suffixes=("",),
    recognised=lambda head: False,
    read=read_folder,
    write=_write_folder,
    depths=(16,),
    dims=(3,),
    units=True,
    suv=True,
    patient=True,
    series=True,
    folder=True,
)
