"""Valid files of every kind, small, made on the spot."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import scipy.io
import SimpleITK
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def dicom_slice(
    stored: NDArray[np.int16],
    *,
    position: tuple[float, float, float] = (0, 0, 0),
    cosines: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    series: str = "1.2.3.4",
    **attributes: object,
) -> FileDataset:
    """CT slice of `(rows, columns)` int16 values with 2 x 3 mm pixels (row distance 3, column distance 2)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = "1.2.3", series, "1.2.5"
    made.PatientName, made.PatientID = "Somebody^Real", "P-77"
    made.Modality, made.SeriesNumber = "CT", 7
    made.Rows, made.Columns = stored.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * stored.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(stored.dtype.kind == "i")
    made.PixelSpacing, made.SliceThickness = [3, 2], 4
    made.ImagePositionPatient, made.ImageOrientationPatient = list(position), list(cosines)
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def save_series(
    folder: Path, volume: NDArray[np.int16], *, plane: str = "axial", gap: float = 4.0
) -> NDArray[np.float64]:
    """Writes `(columns, rows, slices)` values as a series with shuffled file names; returns its affine to RAS."""
    row, column = {
        "axial": ((1, 0, 0), (0, 1, 0)),
        "coronal": ((1, 0, 0), (0, 0, -1)),
        "sagittal": ((0, 1, 0), (0, 0, -1)),
        "oblique": ((0.8, 0.6, 0), (-0.6, 0.8, 0)),
    }[plane]
    normal = np.cross(row, column)
    start = np.array([-40.0, -30.0, 20.0])
    folder.mkdir(exist_ok=True)
    names = np.random.default_rng(5).permutation(volume.shape[2])
    for index in range(volume.shape[2]):
        position = start + index * gap * normal
        made = dicom_slice(volume[:, :, index].T, position=tuple(position), cosines=(*row, *column))
        made.save_as(folder / f"{names[index]:03d}.dcm", enforce_file_format=True)
    lps = np.eye(4)
    lps[:3] = np.stack([np.array(row) * 2.0, np.array(column) * 3.0, normal * gap, start], axis=1)
    return LPS @ lps


def valid_files(folder: Path) -> dict[str, Path]:
    """One small file of each kind that can be read."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (13, 11), dtype=np.uint8)
    colour = rng.integers(0, 256, (13, 11, 3), dtype=np.uint8)
    deep = rng.integers(0, 4000, (13, 11), dtype=np.uint16)
    paths = {}
    for name, values in {"a.png": grey, "b.jpg": colour, "c.bmp": colour, "d.gif": grey}.items():
        paths[name] = folder / name
        Pillow.fromarray(values).save(paths[name])
    paths["e.tif"] = folder / "e.tif"
    tifffile.imwrite(paths["e.tif"], deep, compression="zlib")
    paths["f.tif"] = folder / "f.tif"
    Pillow.fromarray(colour).save(paths["f.tif"], compression="tiff_lzw")
    paths["g.png"] = folder / "g.png"
    Pillow.fromarray(deep).save(paths["g.png"])
    volume = nib.Nifti1Image(rng.integers(0, 900, (4, 5, 3)).astype(np.int16), np.diag([2.0, 2, 3, 1]))
    for name in ("h.nii", "i.nii.gz"):
        paths[name] = folder / name
        volume.to_filename(paths[name])
    paths["j.dcm"] = folder / "j.dcm"
    dicom_slice(rng.integers(-1000, 900, (6, 5)).astype(np.int16)).save_as(paths["j.dcm"], enforce_file_format=True)
    for name, kind in {"m.nrrd": "nrrd", "n.mha": "metaimage", "o.mgz": "mgh", "p.mat": "matlab"}.items():
        paths[name] = sample(kind, folder)[0].rename(folder / name)
    return paths


STEPS = np.array([[0.0, 2.0, 0.0, -31.0], [-2.5, 0.0, 0.0, 42.0], [0.0, 0.0, 3.0, 70.0], [0.0, 0.0, 0.0, 1.0]])
"""Affine to RAS of the volumes of `sample`: the first axis runs back, the second left to right, the third up."""

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) * 7 % 113
PICTURE = np.random.default_rng(3).integers(0, 256, (13, 11), np.uint8)


def sample(kind: str, folder: Path) -> tuple[Path, NDArray[np.generic]]:
    """A small file of a format, made by another program than ours, and the native values that it holds.

    Volumes are `VOLUME` on `STEPS`, pictures and arrays without geometry `PICTURE`.
    """
    path = folder / f"sample.{kind}"
    if kind in ("png", "jpeg", "bmp", "gif", "tiff"):
        values = np.full_like(PICTURE, 90) if kind == "jpeg" else PICTURE
        Pillow.fromarray(values).save(path, format=kind.upper())
        return path, values
    if kind == "matlab":
        scipy.io.savemat(path.with_suffix(".mat"), {"note": "no image", "spacing": [1.0, 2.0], "image": PICTURE})
        return path.with_suffix(".mat"), PICTURE
    return _volume(kind, folder), VOLUME


def _volume(kind: str, folder: Path) -> Path:
    """`VOLUME` on `STEPS` in a file of a format that keeps geometry."""
    if kind == "nifti":
        path = folder / "volume.nii.gz"
        nib.save(nib.Nifti1Image(VOLUME, STEPS), path)
    elif kind == "pair":
        path = folder / "volume.img"
        nib.save(nib.Nifti1Pair(VOLUME, STEPS), path)
    elif kind == "mgh":
        path = folder / "volume.mgz"
        nib.save(nib.MGHImage(VOLUME.astype(np.int32), STEPS), path)
    elif kind in ("nrrd", "metaimage"):
        path = folder / f"volume.{'nrrd' if kind == 'nrrd' else 'mha'}"
        lps = LPS @ STEPS
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        made = SimpleITK.GetImageFromArray(np.ascontiguousarray(VOLUME.T))
        made.SetSpacing(spacing.tolist())
        made.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        made.SetOrigin(lps[:3, 3].tolist())
        SimpleITK.WriteImage(made, str(path), useCompression=True)
    else:
        path = folder / "series"
        path.mkdir()
        lps = LPS @ STEPS
        for k in range(VOLUME.shape[2]):
            place = (lps @ [0, 0, k, 1])[:3]
            axes = (*(lps[:3, 0] / 2.5), *(lps[:3, 1] / 2.0))
            made = dicom_slice(VOLUME[:, :, k].T, position=tuple(place), cosines=axes, PixelSpacing=[2.0, 2.5])
            made.save_as(path / f"{k}.dcm", enforce_file_format=True)
    return path


def bare(dataset: pydicom.Dataset, path: Path) -> Path:
    """Saves a data set without preamble and meta information, as old archives do."""
    stripped = pydicom.Dataset(dataset)
    stripped.file_meta = FileMetaDataset()
    stripped.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    return path
