"""What a folder, an export or a medium holds, and how one image of it is chosen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet
from typer.testing import CliRunner

from tests.io.makers import dicom_slice, save_series
from trifuse import io
from trifuse.cli.app import app
from trifuse.core.errors import ChoiceError, InputError, OptionError
from trifuse.io.many import read_all

RNG = np.random.default_rng(11)
VOLUME = RNG.integers(-1000, 2000, (5, 6, 4)).astype(np.int16)


def slices(folder: Path, volume: np.ndarray, start: int = 0, **attributes: object) -> Path:
    """Slices of a volume with fresh UIDs, named from `start` on; a list is one value for each slice."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(volume.shape[2]):
        given = {k: v[index] if isinstance(v, list) and k != "ImageType" else v for k, v in attributes.items()}
        made = dicom_slice(volume[:, :, index].T, position=(0, 0, 4.0 * index), **given)
        made.save_as(folder / f"{start + index:03d}.dcm", enforce_file_format=True)
    return folder


def study(folder: Path) -> Path:
    """A CT, a PET and a localizer in one folder."""
    slices(folder, VOLUME, series="1.1", SeriesNumber=2, SeriesDescription="Abdomen")
    slices(folder, VOLUME // 2, 10, series="1.2", SeriesNumber=5, Modality="PT")
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    slices(folder, VOLUME[:, :, :1], 20, series="1.3", SeriesNumber=1, ImageType=kind)
    return folder


@pytest.mark.parametrize("word", ["5", 5, "1.2", "PET", "pt"])
def test_a_series_is_chosen_by_number_uid_or_modality(tmp_path: Path, word: str | int) -> None:
    image = io.read(study(tmp_path), series=word)
    assert np.array_equal(image.native()[0], VOLUME // 2)
    assert "PT series 5 of 3" in image.notes


def test_a_series_is_chosen_by_its_description(tmp_path: Path) -> None:
    assert np.array_equal(io.read(study(tmp_path), series="abdomen").native()[0], VOLUME)


def test_an_export_says_what_it_holds_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match=r"--series 1 \(of source N: N:1; series= in Python\)") as error:
        io.read(study(tmp_path))
    assert "\n" not in str(error.value)
    lines = error.value.table.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["--series", n, m] for n, m in (("1", "CT"), ("2", "CT"), ("5", "PT"))
    ]
    assert "localizer" in lines[1]
    assert "Abdomen" in lines[2]
    assert "4 files" in lines[3]
    with pytest.raises(ChoiceError, match="no series 9"):
        io.read(tmp_path, series=9)
    with pytest.raises(ChoiceError, match="several"):
        io.read(tmp_path, series="CT")


def test_the_command_line_prints_the_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    from trifuse.cli import app as command

    argv, sys.argv = sys.argv, ["trifuse", "fuse", str(study(tmp_path)), str(tmp_path), "-o", str(tmp_path / "f.nii")]
    try:
        with pytest.raises(SystemExit) as stopped:
            command.main()
    finally:
        sys.argv = argv
    assert stopped.value.code == 2
    assert "--series 5  PT" in capfd.readouterr().err


def test_series_of_one_number_are_named_by_uid(tmp_path: Path) -> None:
    slices(tmp_path, VOLUME, series="1.1")
    slices(tmp_path, VOLUME, 10, series="1.2")
    with pytest.raises(ChoiceError) as error:
        io.read(tmp_path)
    assert "--series 1.2" in error.value.table
    assert io.read(tmp_path, series="1.2").space == VOLUME.shape


def test_a_study_of_folders_and_links_is_searched(tmp_path: Path) -> None:
    slices(tmp_path / "study" / "ct", VOLUME, series="1.1", SeriesNumber=2)
    slices(tmp_path / "elsewhere", VOLUME // 2, series="1.2", SeriesNumber=5, Modality="PT")
    (tmp_path / "study" / "pet").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "study" / "pet" / "circle").symlink_to(tmp_path / "study")
    with pytest.raises(ChoiceError, match="CT series 2"):
        io.read(tmp_path / "study")
    assert np.array_equal(io.read(tmp_path / "study", series=5).native()[0], VOLUME // 2)


def test_a_dicomdir_is_what_it_lists(tmp_path: Path) -> None:
    folder, files = study(tmp_path / "s"), FileSet()
    for path in sorted(folder.iterdir()):
        made = pydicom.dcmread(path)
        made.InstanceNumber, made.StudyDate, made.StudyTime, made.StudyID = 1, "20200101", "120000", "1"
        made.ImageType = made.get("ImageType", ["ORIGINAL", "PRIMARY"])
        files.add(made)
    files.write(tmp_path / "cd")
    with pytest.raises(ChoiceError, match="PT series 5"):
        io.read(tmp_path / "cd" / "DICOMDIR")
    for path in (tmp_path / "cd" / "DICOMDIR", tmp_path / "cd"):
        assert np.array_equal(io.read(path, series=5).native()[0], VOLUME // 2)
    shutil.rmtree(next(p for p in (tmp_path / "cd").iterdir() if p.is_dir()))
    with pytest.raises(InputError, match="not beside it"):
        io.read(tmp_path / "cd" / "DICOMDIR")


def test_localizers_among_slices_are_left_out(tmp_path: Path) -> None:
    slices(tmp_path, VOLUME)
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout = dicom_slice(VOLUME[:, :, 0].T, cosines=(0, 1, 0, 0, 0, -1), ImageType=kind)
    scout.save_as(tmp_path / "scout.dcm", enforce_file_format=True)
    image = io.read(tmp_path)
    assert np.array_equal(image.native()[0], VOLUME)
    assert "1 localizers left out" in image.notes


ECHOES = {
    "echoes (TE 14, TE 98)": (
        {"EchoTime": 14, "AcquisitionTime": "110000"},
        {"EchoTime": 98, "AcquisitionTime": "110500"},
    ),
    "echoes (echo 1, echo 2)": ({"EchoNumbers": 1}, {"EchoNumbers": 2}),
    "b-values (b 0, b 1000)": ({"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}),
    "inversion times (TI 100, TI 2500)": ({"InversionTime": 100}, {"InversionTime": 2500}),
    "flip angles (flip angle 5, flip angle 30)": ({"FlipAngle": 5}, {"FlipAngle": 30}),
    "tube voltages (kV 80, kV 140)": ({"KVP": 80}, {"KVP": 140}),
    "kinds of image (M, P)": ({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}),
    "acquisitions (acquisition 1, acquisition 2)": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
}


@pytest.mark.parametrize("what", ECHOES)
def test_contrasts_of_one_place_are_told_apart_and_never_averaged(tmp_path: Path, what: str) -> None:
    for number, attributes in enumerate(ECHOES[what]):
        slices(tmp_path, VOLUME + number, 10 * number, **attributes)
    with pytest.raises(InputError) as error:
        io.read(tmp_path)
    assert f"holds 2 {what} where one image is needed; choose one with --frame 0 or 1 (" in str(error.value)
    assert "mean" not in str(error.value)
    for number in (0, 1):
        assert np.array_equal(io.read(tmp_path, frame=number).native()[0], VOLUME + number)
    with pytest.raises(InputError, match="no image"):
        io.read(tmp_path, frame="mean")


def test_echoes_over_time_are_told_by_both(tmp_path: Path) -> None:
    for echo in (0, 1):
        for time in (0, 1, 2):
            values = VOLUME + 10 * echo + time
            attributes = {"EchoTime": 5 + echo, "TemporalPositionIdentifier": time + 1}
            slices(tmp_path, values, 100 * echo + 10 * time, **attributes)
    with pytest.raises(InputError, match="6 echoes and time frames"):
        io.read(tmp_path)
    assert np.array_equal(io.read(tmp_path, frame=4).native()[0], VOLUME + 11)


def test_times_of_every_slice_of_its_own(tmp_path: Path) -> None:
    for time in (0, 1):
        clocks = [f"11{10 * time + index:02d}00" for index in range(4)]
        slices(tmp_path, VOLUME + time, 10 * time, AcquisitionTime=clocks)
    assert np.array_equal(io.read(tmp_path, frame=1).native()[0], VOLUME + 1)


def test_one_slice_over_time_is_a_slice(tmp_path: Path) -> None:
    for time in range(5):
        slices(tmp_path, VOLUME[:, :, :1] + time, time, TemporalPositionIdentifier=time + 1)
    assert np.array_equal(io.read(tmp_path, frame=2).native()[0], VOLUME[:, :, 0].T + 2)
    assert np.allclose(io.read(tmp_path, frame="mean").native()[0], VOLUME[:, :, 0].T + 2)


def test_stacks_of_one_series_are_chosen(tmp_path: Path) -> None:
    slices(tmp_path, VOLUME)
    save_series(tmp_path / "c", VOLUME, plane="coronal")
    for path in (tmp_path / "c").iterdir():
        shutil.move(path, tmp_path / f"c{path.name}")
    (tmp_path / "c").rmdir()
    with pytest.raises(InputError, match=r"2 stacks.*not parallel.*coronal 4 images.*--frame 0 or 1"):
        io.read(tmp_path)
    assert {io.read(tmp_path, frame=number).space for number in (0, 1)} == {VOLUME.shape}


def test_images_without_place_are_chosen_one_by_one(tmp_path: Path) -> None:
    slices(tmp_path, VOLUME, Modality="US", ImagePositionPatient=None)
    with pytest.raises(ChoiceError, match="without position") as error:
        io.read(tmp_path)
    assert "--series 7/3  002.dcm" in error.value.table
    assert np.array_equal(io.read(tmp_path, series="7/3").native()[0], VOLUME[:, :, 2].T)
    with pytest.raises(InputError, match="no file 9"):
        io.read(tmp_path, series="7/9")


def test_choices_are_for_one_source_or_for_those_that_need_them(tmp_path: Path) -> None:
    export, single = study(tmp_path / "study"), slices(tmp_path / "mr", VOLUME, Modality="MR")
    dynamic = tmp_path / "dynamic"
    for time in range(3):
        slices(dynamic, VOLUME + time, 10 * time, FrameReferenceTime=1000.0 * time + 500)
    paths = [export, export, single, dynamic]
    images = read_all(paths, frames=["1"], series=["1:2", "2=5"])
    assert np.array_equal(images[0].native()[0], VOLUME)
    assert np.array_equal(images[1].native()[0], VOLUME // 2)
    assert np.array_equal(images[3].native()[0], VOLUME + 1)
    assert "1 of 3 time frames (from 0)" in images[3].notes
    assert np.array_equal(read_all([single, dynamic], frames=["2:0"])[1].native()[0], VOLUME)
    assert np.array_equal(read_all([single, export], series=["5"])[1].native()[0], VOLUME // 2)
    with pytest.raises(InputError, match="frame= is not for"):
        read_all([single, dynamic], frames=["1:0", "2:0"])
    with pytest.raises(InputError, match="no source has anything to choose from"):
        read_all([single, single], frames=["1"])
    with pytest.raises(InputError, match="no source has anything to choose from"):
        read_all([single, single], series=["9"])
    for wrong in (["3:1"], ["1:0", "1:1"], ["first"]):
        with pytest.raises(OptionError, match="--frame"):
            read_all([single, dynamic], frames=wrong)


def test_compare_and_evaluate_choose_too(tmp_path: Path) -> None:
    single = slices(tmp_path / "mr", VOLUME, Modality="MR")
    for time in range(2):
        slices(tmp_path / "pet", VOLUME + time, 10 * time, FrameReferenceTime=1000.0 * time + 500, Modality="PT")
    both = [str(single), str(tmp_path / "pet")]
    out = tmp_path / "f.nii.gz"
    runs = [
        ["fuse", *both, "-m", "mean", "-o", str(out), "--frame", "2:1"],
        ["compare", *both, "-m", "mean", "--metrics", "en", "-o", str(tmp_path / "c"), "--frame", "2:mean"],
        ["evaluate", str(out), "-s", both[0], "-s", both[1], "-m", "mae,cc", "--frame", "1"],
    ]
    for arguments in runs:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)


def test_a_cohort_chooses_within_its_sources(tmp_path: Path) -> None:
    study(tmp_path / "study")
    (tmp_path / "t.csv").write_text("case,ct,pet,ct_series\na,study,study,2\n")
    arguments = ["cohort", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), "-m", "mean", "--series", "pet:5"]
    result = CliRunner().invoke(app, [*arguments, "--no-sheet"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert io.read(tmp_path / "out" / "a" / "fused.nii.gz").space == VOLUME.shape
