"""Writing an image as one DICOM object: a Parametric Map where its values have units, else a Secondary Capture."""

from __future__ import annotations

from pathlib import Path

from trifuse.core.image import Image
from trifuse.io.dicom.derived import derived
from trifuse.io.dicom.parametric import UNITS, parametric_map
from trifuse.io.guard import quiet


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
        measured = image.units in UNITS and image.channels == 1
        made = parametric_map(image, keep_patient) if measured else derived(image, keep_patient)
        made.save_as(path, enforce_file_format=True)
