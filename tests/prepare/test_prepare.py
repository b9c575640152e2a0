"""From exported studies to a data set: what comes out, what is reported, what is done again and what is not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.prepare.studies import (
    MARK,
    MR,
    MR_SIZE,
    PET,
    PET_SIZE,
    SUV,
    head,
    mr_series,
    nifti,
    pet_series,
    table,
)
from trifuse import io
from trifuse.core.errors import InputError, OptionError
from trifuse.prepare import Settings, prepare
from trifuse.prepare.studies import Study


def record(folder: Path, study: str = "a") -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "records" / f"{study}.json").read_text())
    return loaded


def ball(path: Path) -> np.ndarray:
    """RAS mm of the middle of the brightest tenth of an image's range."""
    image = nib.load(path)
    values = np.asarray(image.dataobj)
    return np.asarray((image.affine @ [*np.argwhere(values > 0.85 * values.max()).mean(axis=0), 1])[:3])


def dicom_study(folder: Path, **pet: object) -> Path:
    mr_series(folder / "t1")
    pet_series(folder / "pet", **pet)
    return table(folder / "list.csv", "a,p,train,t1,pet")


def test_series_become_one_grid_in_0_to_1(tmp_path: Path) -> None:
    done = prepare(dicom_study(tmp_path), tmp_path / "out", Settings(spacing=3))
    assert not done.failed
    images = [nib.load(tmp_path / "out" / "images" / "a" / f"{name}.nii.gz") for name in ("t1", "pet")]
    for image in images:
        assert image.header.get_zooms() == pytest.approx((3, 3, 3))
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        values = np.asarray(image.dataobj)
        assert (values.min(), values.max()) == (0, 1)
    assert np.array_equal(images[0].affine, images[1].affine)
    assert images[0].shape == images[1].shape == (40, 43, 35)
    sources = record(tmp_path / "out")["sources"]
    assert isinstance(sources, list)
    high = sources[1]["window"][1]
    assert high == pytest.approx(np.percentile(head(PET, PET_SIZE, pet=True), 99.9) * SUV)
    assert any("SUVbw" in note for note in sources[1]["notes"])
    assert "Somebody" not in (tmp_path / "out" / "records" / "a.json").read_text()


@pytest.mark.parametrize("spacing", [0, 2.5])
def test_left_stays_left_through_any_axes(tmp_path: Path, spacing: float) -> None:
    settings = Settings(spacing=spacing, register="resample")
    prepare(dicom_study(tmp_path), tmp_path / "dicom", settings)
    turned, size = MR @ np.array([[0, 0, -1.0, 29], [1, 0, 0, 0], [0, -1, 0, 25], [0, 0, 0, 1]]), (32, 26, 30)
    nifti(tmp_path / "t1.nii", turned, head(turned, size))
    nifti(tmp_path / "pet.nii.gz", PET, head(PET, PET_SIZE, pet=True))
    prepare(table(tmp_path / "b.csv", "a,p,,t1.nii,pet.nii.gz"), tmp_path / "nifti", settings)
    for kind in ("dicom", "nifti"):
        for name in ("t1", "pet"):
            assert ball(tmp_path / kind / "images" / "a" / f"{name}.nii.gz") == pytest.approx(MARK, abs=1.5)


def test_auto_trusts_a_shared_frame_and_registers_otherwise(tmp_path: Path) -> None:
    prepare(dicom_study(tmp_path), tmp_path / "shared", Settings(spacing=4))
    assert record(tmp_path / "shared")["register"] == "resample"
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", (4, -3, 6), degrees=True).as_matrix()
    motion[:3, 3] = [9, -7, 6]
    values = head(PET, PET_SIZE, pet=True)
    mri = nifti(tmp_path / "mri.nii", MR, head(MR, MR_SIZE))
    moved = nifti(tmp_path / "moved.nii", motion @ PET, values)
    done = prepare(table(tmp_path / "b.csv", f"a,p,,{mri},{moved}"), tmp_path / "moved", Settings(spacing=4))
    assert done.rows[0]["register"] == "rigid"
    assert float(done.rows[0]["moved_mm"]) > 5
    assert float(done.rows[0]["overlap"]) > 0.9
    assert ball(tmp_path / "moved" / "images" / "a" / "pet.nii.gz") == pytest.approx(MARK, abs=1.5)


def test_auto_trusts_nifti_in_one_standard_space(tmp_path: Path) -> None:
    for name, affine, size in (("t1", MR, MR_SIZE), ("pet", PET, PET_SIZE)):
        nifti(tmp_path / "in" / "a" / f"{name}.nii", affine, head(affine, size, pet=name == "pet"), code=4)
    prepare(tmp_path / "in", tmp_path / "out", Settings(spacing=4))
    assert record(tmp_path / "out", "study-001")["register"] == "resample"


def test_a_study_has_its_own_way(tmp_path: Path) -> None:
    dicom_study(tmp_path)
    listed = table(tmp_path / "l.csv", "a,p,affine,t1,pet", "b,p,shear,t1,pet", head="study,patient,register,t1,pet")
    done = prepare(listed, tmp_path / "out", Settings(spacing=4))
    assert record(tmp_path / "out")["register"] == "affine"
    assert "shear" in done.failed["b"]


def test_native_values_and_minimum_to_maximum(tmp_path: Path) -> None:
    listed = dicom_study(tmp_path)
    prepare(listed, tmp_path / "none", Settings(spacing=0, normalise="none"))
    pet = io.read(tmp_path / "none" / "images" / "a" / "pet.nii.gz").native()
    assert pet.max() == pytest.approx(
        head(PET, PET_SIZE, pet=True).max() * SUV, rel=0.08
    )  # linear interpolation lowers a peak
    prepare(listed, tmp_path / "minmax", Settings(spacing=0, normalise="minmax", units="native"))
    mr = np.asarray(nib.load(tmp_path / "minmax" / "images" / "a" / "t1.nii.gz").dataobj)
    assert mr == pytest.approx(head(MR, MR_SIZE) / head(MR, MR_SIZE).max(), abs=1e-6)


def test_pet_without_dose_stays_in_its_units_or_fails(tmp_path: Path) -> None:
    listed = dicom_study(tmp_path, PatientWeight=None)
    assert not prepare(listed, tmp_path / "auto", Settings(spacing=4)).failed
    assert "PatientWeight" in json.dumps(record(tmp_path / "auto"))
    assert "PatientWeight" in prepare(listed, tmp_path / "suv", Settings(spacing=4, units="suv")).failed["a"]


def test_a_dynamic_pet_is_refused_with_the_way_out(tmp_path: Path) -> None:
    listed = dicom_study(tmp_path, FrameReferenceTime=0)
    later = pet_series(tmp_path / "later", FrameReferenceTime=9000)
    for path in later.iterdir():
        path.rename(tmp_path / "pet" / f"later-{path.name}")
    assert "--frame mean" in prepare(listed, tmp_path / "out", Settings(spacing=4)).failed["a"]
    assert not prepare(listed, tmp_path / "out", Settings(spacing=4, frames=("mean",))).failed
    assert ball(tmp_path / "out" / "images" / "a" / "pet.nii.gz") == pytest.approx(MARK, abs=1.5)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    listed = dicom_study(tmp_path)
    table(listed, "a,p,train,t1,pet", "b,q,val,t1,missing")
    settings = Settings(spacing=4)
    first = prepare(listed, tmp_path / "out", settings)
    assert "missing" in first.failed["b"]
    assert [row["case"] for row in first.rows] == ["a"]
    picture = tmp_path / "out" / "images" / "a" / "pet.nii.gz"
    before = picture.stat().st_mtime_ns
    (tmp_path / "pet").rename(tmp_path / "missing")  # b can be done now, a is done already
    table(listed, "a,p,train,t1,missing", "b,q,val,t1,missing")
    second = prepare(listed, tmp_path / "out", settings)
    assert not second.failed
    assert [row["split"] for row in second.rows] == ["train", "val"]
    assert picture.stat().st_mtime_ns == before
    prepare(listed, tmp_path / "out", Settings(spacing=5))
    assert nib.load(picture).header.get_zooms() == pytest.approx((5, 5, 5))


def test_nothing_half_written_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = dicom_study(tmp_path)
    whole = io.write

    def full_disk(image: object, path: Path, **options: object) -> Path:
        if Path(path).name.startswith("pet"):
            raise InputError("disk full")
        return whole(image, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(io, "write", full_disk)
    assert prepare(listed, tmp_path / "out", Settings(spacing=4)).failed == {"a": "disk full"}
    assert list((tmp_path / "out" / "images").iterdir()) == []
    with (tmp_path / "out" / "manifest.csv").open() as opened:
        assert list(csv.DictReader(opened)) == []


def test_low_overlap_is_warned_of(tmp_path: Path) -> None:
    far = PET.copy()
    far[2, 3] += 70
    values = head(PET, PET_SIZE, pet=True)
    listed = table(tmp_path / "l.csv", "a,p,,mri.nii,pet.nii")
    nifti(tmp_path / "mri.nii", MR, head(MR, MR_SIZE))
    nifti(tmp_path / "pet.nii", far, values)
    done = prepare(listed, tmp_path / "out", Settings(spacing=4, register="resample"))
    assert "hardly overlaps" in done.warnings["a"][0]
    assert float(done.rows[0]["overlap"]) < 0.5


def test_slices_and_giant_grids_fail_alone(tmp_path: Path) -> None:
    listed = dicom_study(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "t1" / "03.dcm").rename(tmp_path / "one" / "03.dcm")
    table(listed, "a,p,,one,pet")
    assert "single slice" in prepare(listed, tmp_path / "out").failed["a"]
    nifti(tmp_path / "mri.nii", MR, head(MR, MR_SIZE))
    table(listed, "a,p,,mri.nii,pet")
    assert "--spacing" in prepare(listed, tmp_path / "out", Settings(spacing=0.1)).failed["a"]


def test_splits_are_by_patient_and_repeatable() -> None:
    from trifuse.prepare.manifest import check, drawn

    studies = [Study(f"s{n}", patient=f"p{n // 2}") for n in range(40)]
    splits = drawn(studies, 0.1, 0.2)
    assert splits == drawn(studies[::-1], 0.1, 0.2)
    assert sorted(splits.values()).count("val") == 2
    assert sorted(splits.values()).count("test") == 4
    assert "val" in drawn(studies[:6], 0.1, 0).values()
    assert set(drawn(studies[:2], 0.1, 0).values()) == {"train"}
    check(studies)
    with pytest.raises(InputError, match="two splits"):
        check([Study("a", patient="p", split="train"), Study("b", patient="p", split="val")])
    with pytest.raises(InputError, match="'tset' is not known"):
        check([Study("a", patient="p", split="tset")])


@pytest.mark.parametrize(
    "wrong", [{"register": "none"}, {"spacing": -1}, {"val": 0.6, "test": 0.5}, {"sources": ("t1",)}, {"units": "lbm"}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_a_benchmark_reads_the_manifest(tmp_path: Path) -> None:
    from trifuse.bench import run as bench
    from trifuse.bench.recipe import Recipe

    prepare(dicom_study(tmp_path), tmp_path / "out", Settings(spacing=6))
    cases = {"table": "manifest.csv", "columns": ["path_1", "path_2"], "where": {"split": ["train"]}}
    recipe = Recipe.model_validate(
        {"name": "x", "title": "x", "cases": cases, "methods": ["mean"], "metrics": ["psnr"]}
    )
    rows = bench.run(recipe, tmp_path / "out", tmp_path / "bench")
    assert {row["metric"] for row in rows} >= {"psnr"}
    assert not any(row["error"] for row in rows)


def test_a_training_run_finds_the_cases(tmp_path: Path) -> None:
    from trifuse.train.data.cases import _of_tables
    from trifuse.train.settings.data import Tables

    prepare(dicom_study(tmp_path), tmp_path / "out", Settings(spacing=6))
    (case,) = _of_tables(Tables(tables=(tmp_path / "out" / "manifest.csv",)), "train")
    assert case.kind == "T1/PET"
    assert [path.name for path in case.sources] == ["t1.nii.gz", "pet.nii.gz"]
    assert all(path.is_file() for path in case.sources)


def flat_study(folder: Path) -> Path:
    """An MR, two PETs of other uptake and a localizer in one folder."""
    folder.mkdir(parents=True)
    made = {
        "mr": mr_series(folder / "x" / "mr", SeriesInstanceUID="1.1", SeriesNumber=3),
        "pet": pet_series(folder / "x" / "pet", SeriesInstanceUID="1.2", SeriesNumber=5),
        "late": pet_series(folder / "x" / "late", SeriesInstanceUID="1.3", SeriesNumber=6, RescaleSlope=40),
    }
    for name, where in made.items():
        for path in where.iterdir():
            path.rename(folder / f"{name}-{path.name}")
        where.rmdir()
    (folder / "x").rmdir()
    return folder


def test_a_flat_export_is_taken_apart_by_series(tmp_path: Path) -> None:
    flat_study(tmp_path / "studies" / "a")
    settings = {"sources": ("mr", "pet"), "spacing": 4, "units": "native", "normalise": "none"}
    unclear = prepare(tmp_path / "studies", tmp_path / "unclear", Settings(**settings))
    assert "PT series 5, PT series 6; choose one with --series 2:NUMBER" in unclear.failed["study-001"]
    peaks = []
    for number in (5, 6):
        out = tmp_path / f"out{number}"
        assert not prepare(tmp_path / "studies", out, Settings(**settings, series=(f"pet:{number}",))).failed
        peaks.append(io.read(out / "images" / "study-001" / "pet.nii.gz").native().max())
    assert peaks[1] == pytest.approx(2 * peaks[0])
    rows = table(tmp_path / "t.csv", "a,studies/a,3,studies/a,6", head="study,t1,t1_series,pet,pet_series")
    assert not prepare(rows, tmp_path / "table", Settings(spacing=4, units="native", normalise="none")).failed
    again = io.read(tmp_path / "table" / "images" / "a" / "pet.nii.gz").native().max()
    assert again == pytest.approx(peaks[1])


def test_links_in_a_study_are_followed(tmp_path: Path) -> None:
    mr_series(tmp_path / "store" / "1")
    pet_series(tmp_path / "store" / "2")
    (tmp_path / "studies" / "a").mkdir(parents=True)
    for number in ("1", "2"):
        (tmp_path / "studies" / "a" / f"s{number}").symlink_to(tmp_path / "store" / number)
    settings = Settings(sources=("mr", "pet"), spacing=4)
    assert not prepare(tmp_path / "studies", tmp_path / "out", settings).failed
