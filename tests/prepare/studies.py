"""Small made-up studies: one asymmetric head, seen by two scanners on grids of their own."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy.ndimage import gaussian_filter

from tests.io.makers import LPS, dicom_slice

MARK = np.array([-26.0, 18.0, 8.0])
"""RAS mm of a bright ball on the patient's left, front and upper side."""

MR_SIZE, PET_SIZE = (30, 32, 26), (25, 19, 26)
MR = np.array([[4.0, 0, 0, -58], [0, 4, 0, -62], [0, 0, 4, -50], [0, 0, 0, 1]])
PET = np.array([[-5.0, 0, 0, 62], [0, 0, 5, -64], [0, -6, 0, 56], [0, 0, 0, 1]])
"""The PET's axes run to the left, down and to the front."""


def head(affine: NDArray[np.float64], size: tuple[int, ...], pet: bool = False) -> NDArray[np.int16]:
    """The head on a grid; the PET sees more of the ball and less of the tissue."""
    indices = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(indices @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    body = ((x / 46) ** 2 + (y / 54) ** 2 + (z / 40) ** 2 < 1).astype(float)
    ball = (x - MARK[0]) ** 2 + (y - MARK[1]) ** 2 + (z - MARK[2]) ** 2 < 11**2
    hole = (x - 14) ** 2 + (y + 20) ** 2 + (z + 6) ** 2 < 13**2
    values = body * (200 if pet else 500) + ball * (800 if pet else 400) - hole * (100 if pet else 400)
    return np.rint(gaussian_filter(values, 0.7)).astype(np.int16)


def series(folder: Path, affine: NDArray[np.float64], values: NDArray[np.int16], **attributes: object) -> Path:
    """Writes `(columns, rows, slices)` values as a DICOM series; `affine` leads to RAS."""
    lps = LPS @ affine
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(values.shape[2]):
        made = dicom_slice(
            values[:, :, index].T,
            position=tuple((lps @ [0, 0, index, 1])[:3]),
            cosines=(*(lps[:3, 0] / steps[0]), *(lps[:3, 1] / steps[1])),
            PixelSpacing=[steps[1], steps[0]],
            SliceThickness=steps[2],
            **attributes,
        )
        made.save_as(folder / f"{index:02d}.dcm", enforce_file_format=True)
    return folder


def mr_series(folder: Path, **attributes: object) -> Path:
    """The head as a T1 series."""
    return series(folder, MR, head(MR, MR_SIZE), Modality="MR", SeriesDescription="T1 SE", **attributes)


def pet_series(folder: Path, **attributes: object) -> Path:
    """The head as a PET series in Bq/ml, one hour after the injection of 370 MBq into 70 kg."""
    isotope = Dataset()
    isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = 3.7e8, 6586.2
    isotope.RadiopharmaceuticalStartTime = "103000"
    header = {"Units": "BQML", "DecayCorrection": "START", "PatientWeight": 70, "SeriesDate": "20200229"}
    header |= {"SeriesTime": "113000", "RadiopharmaceuticalInformationSequence": [isotope], "RescaleSlope": 20}
    return series(folder, PET, head(PET, PET_SIZE, pet=True), **({"Modality": "PT"} | header | attributes))


SUV = 20 * 70e3 / (3.7e8 * 2 ** (-3600 / 6586.2))
"""What stored values of the PET are multiplied by."""


def nifti(path: Path, affine: NDArray[np.float64], values: NDArray[np.int16], code: int = 1) -> Path:
    """Writes a volume whose header names the space `code`."""
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code=code)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def table(path: Path, *rows: str, head: str = "study,patient,split,t1,pet") -> Path:
    """Writes a list of studies."""
    path.write_text("\n".join([head, *rows]) + "\n")
    return path
