"""Real scans: native units, geometry and refusals, checked against independent readers."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Modality


def slices(folder: Path) -> list[pydicom.Dataset]:
    """Axial slices from below to above."""
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    return sorted(datasets, key=lambda dataset: float(dataset.ImagePositionPatient[2]))


@pytest.mark.parametrize("name", ["sts-001/pet_bqml", "sts-001/pet_suv", "sts-025/pet", "sts-025/ct", "sts-001/t1"])
def test_native_units_are_exact(data: Path, name: str) -> None:
    image = io.read(data / "dicom" / name)
    expected = [
        d.pixel_array * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0))
        for d in slices(data / "dicom" / name)
    ]
    assert np.array_equal(image.native()[0], np.stack(expected).transpose(2, 1, 0))


def test_bq_per_ml_becomes_the_published_suv(data: Path) -> None:
    activity, suv = (io.read(data / "dicom" / "sts-001" / f"pet_{unit}") for unit in ("bqml", "suv"))
    assert activity.modality is suv.modality is Modality.PET
    d = slices(data / "dicom" / "sts-001" / "pet_bqml")[0]
    dose = d.RadiopharmaceuticalInformationSequence[0]

    def seconds(time: object) -> float:
        text = str(time)
        return 3600 * int(text[:2]) + 60 * int(text[2:4]) + float(text[4:])

    waited = seconds(d.SeriesTime) - seconds(dose.RadiopharmaceuticalStartTime)
    decayed = float(dose.RadionuclideTotalDose) * 2 ** (-waited / float(dose.RadionuclideHalfLife))
    # The published SUV was cropped; the affines tell where.
    offset = np.rint(np.linalg.solve(activity.affine, suv.affine[:, 3])[:3]).astype(int)
    crop = tuple(slice(o, o + n) for o, n in zip(offset, suv.space, strict=True))
    computed = activity.native()[0][crop] * float(d.PatientWeight) * 1000 / decayed
    steps = [float(dataset.RescaleSlope) for dataset in slices(data / "dicom" / "sts-001" / "pet_suv")]
    # The publishers cut to 16 bits, slice by slice.
    assert (np.abs(computed - suv.native()[0]) <= np.array(steps) * 1.01).all()


@pytest.mark.parametrize(("name", "tolerance"), [("ct", 0), ("t1", 0), ("pet", 5e-7)])
def test_a_series_and_its_nifti_are_one_image(data: Path, name: str, tolerance: float) -> None:
    series = io.read(data / "dicom" / "sts-025" / name)
    volume = io.read(data / "volumes" / "sts" / "sts-025" / f"{name}.nii.gz")
    assert np.abs(series.native() - volume.native()).max() <= tolerance
    assert np.allclose(series.affine, volume.affine, atol=1e-3)
    assert series.modality is volume.modality
    assert np.allclose(series.pixels, volume.pixels, atol=1e-6)


@pytest.mark.parametrize(("number", "modality"), [("004", "T2"), ("005", "T1"), ("008", "GAD")])
def test_enhanced_mr_is_a_volume(data: Path, number: str, modality: str) -> None:
    path = data / "dicom" / "nema-brtum" / f"BRTUM{number}.dcm"
    image = io.read(path)
    assert image.space == (256, 256, 24)
    assert image.modality is Modality(modality)
    assert np.allclose(image.spacing, [0.820312, 0.820312, 6])
    dataset = pydicom.dcmread(path)
    for frame in (0, 11, 23):
        place = dataset.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0].ImagePositionPatient
        index = np.linalg.solve(image.affine, [-place[0], -place[1], place[2], 1])
        assert np.allclose(index[:2], 0, atol=1e-3)
        assert np.array_equal(image.native()[0][:, :, round(index[2])], dataset.pixel_array[frame].T)


def test_the_three_enhanced_series_share_one_grid(data: Path) -> None:
    first, *others = (io.read(path) for path in sorted((data / "dicom" / "nema-brtum").iterdir()))
    assert all(np.allclose(first.affine, other.affine) and first.space == other.space for other in others)


def test_series_name_their_frame_of_reference(data: Path) -> None:
    frames = [io.read(data / "dicom" / name).frame_of_reference for name in ("sts-025/ct", "sts-025/pet", "sts-025/t1")]
    assert frames[0] == frames[1] == frames[2] != io.read(data / "dicom" / "sts-001" / "t1").frame_of_reference


def test_a_tilted_head_with_uneven_slices(data: Path) -> None:
    with pytest.raises(InputError, match=r"--allow-gaps"):
        io.read(data / "dicom" / "ge-ct-head")
    upright = io.read(data / "dicom" / "ge-ct-head", allow_gaps=True)
    assert any("18.5 degrees" in note for note in upright.notes)
    assert any("uneven slices" in note for note in upright.notes)
    axes = upright.affine[:3, :3] / np.linalg.norm(upright.affine[:3, :3], axis=0)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    one = io.read(data / "dicom" / "ge-ct-head" / "13.dcm")
    assert one.native().dtype == np.int16
    assert one.window == (-15, 84)


@pytest.mark.parametrize("mixed", [("sts-001/t1", "sts-001/t2"), ("sts-001/pet_suv", "sts-001/t1")])
def test_mixed_series_are_refused(data: Path, tmp_path: Path, mixed: tuple[str, str]) -> None:
    for name in mixed:
        for path in (data / "dicom" / name).iterdir():
            (tmp_path / f"{name.replace('/', '-')}-{path.name}").symlink_to(path)
    with pytest.raises(InputError, match="several DICOM series"):
        io.read(tmp_path)


def test_several_series_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match="several DICOM series"):
        io.read(data / "dicom" / "nema-brtum")


def test_group_templates_are_what_nibabel_reads(data: Path) -> None:
    paths = sorted((data / "volumes").glob("mni-*/*.nii"))
    assert paths
    for path in paths[::3]:
        image, loaded = io.read(path), nib.load(path)
        assert np.array_equal(image.native()[0], np.asanyarray(loaded.dataobj))
        assert np.allclose(image.affine, loaded.affine)


def test_atlas_pictures_are_exact_whatever_their_format(data: Path) -> None:
    folder = data / "aanlib2d"
    paths = [path for suffix in ("gif", "png", "jpg") for path in sorted(folder.rglob(f"*.{suffix}"))[::97]]
    assert paths
    for path in paths:
        image = io.read(path)
        rgb = np.asarray(Pillow.open(path).convert("RGB")).transpose(2, 0, 1)
        assert np.array_equal(np.broadcast_to(image.native(), rgb.shape), rgb)
        assert image.channels == (1 if (rgb == rgb[:1]).all() else 3)
        assert image.window == (0, 255)
