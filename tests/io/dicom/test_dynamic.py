"""Dynamic PET: one time frame, or the mean over time as one long frame would have measured it."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.cli.app import app
from trifuse.core.errors import InputError

RNG = np.random.default_rng(3)
FRAMES = RNG.integers(0, 900, (3, 5, 6, 4)).astype(np.int16)  # time, column, row, slice
SLOPES = (0.5, 2.0, 1.0)
SECONDS = (10, 30, 60)
NATIVE = FRAMES * np.array(SLOPES)[:, None, None, None]
WEIGHTED = np.tensordot(np.array(SECONDS) / 100, NATIVE, axes=1)


def dynamic(folder: Path, clock: str = "FrameReferenceTime", durations: bool = True) -> Path:
    """A series of three time frames with shuffled file names."""
    names = iter(RNG.permutation(12))
    for time in range(3):
        for index in range(4):
            made = dicom_slice(FRAMES[time, :, :, index].T, position=(0, 0, 4.0 * index), Modality="PT")
            made.RescaleSlope = SLOPES[time]
            value = f"2000010112{time:02d}00" if clock == "AcquisitionDateTime" else str(9.5 * 10**time)
            setattr(made, clock, f"12{time:02d}00" if clock == "AcquisitionTime" else value)
            if durations:
                made.ActualFrameDuration = 1000 * SECONDS[time]
            folder.mkdir(exist_ok=True)
            made.save_as(folder / f"{next(names):02d}.dcm", enforce_file_format=True)
    return folder


def test_several_frames_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 time frames.*--frame 0 to 2 or average them with --frame mean"):
        io.read(dynamic(tmp_path / "s"))


@pytest.mark.parametrize("clock", ["FrameReferenceTime", "AcquisitionTime", "AcquisitionDateTime"])
def test_one_frame_in_the_order_of_time(tmp_path: Path, clock: str) -> None:
    folder = dynamic(tmp_path / "s", clock)
    for time in range(3):
        assert np.array_equal(io.read(folder, frame=time).native()[0], NATIVE[time])
    with pytest.raises(InputError, match="no frame 3"):
        io.read(folder, frame=3)


def test_the_mean_is_weighted_by_duration(tmp_path: Path) -> None:
    image = io.read(dynamic(tmp_path / "s"), frame="mean")
    assert image.native()[0] == pytest.approx(WEIGHTED)
    assert image.notes == ("mean of 3 time frames, weighted by their durations (10 to 60 s)",)
    assert np.allclose(image.affine, np.diag([-2, -3, 4, 1]))


def test_unknown_durations_count_alike(tmp_path: Path) -> None:
    image = io.read(dynamic(tmp_path / "s", durations=False), frame="mean")
    assert image.native()[0] == pytest.approx(NATIVE.mean(axis=0))
    assert image.notes == ("mean of 3 time frames",)


def test_the_mean_of_one_time_is_that_volume(tmp_path: Path) -> None:
    for index in range(4):
        made = dicom_slice(FRAMES[0, :, :, index].T, position=(0, 0, 4.0 * index))
        made.save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    assert np.array_equal(io.read(tmp_path, frame="mean").native()[0], FRAMES[0])


def test_a_frame_that_lacks_a_slice_is_refused(tmp_path: Path) -> None:
    folder = dynamic(tmp_path / "s")
    next(folder.iterdir()).unlink()
    with pytest.raises(InputError, match="same place"):
        io.read(folder, frame="mean")


def test_an_enhanced_dynamic_object(tmp_path: Path) -> None:
    made = dicom_slice(FRAMES[0, :, :, 0].T, Modality="PT")
    stored = FRAMES.transpose(0, 3, 2, 1).reshape(12, 6, 5)
    made.NumberOfFrames, made.PixelData = 12, np.ascontiguousarray(stored).tobytes()
    del made.ImagePositionPatient, made.ImageOrientationPatient, made.PixelSpacing
    shared = Dataset()
    shared.PlaneOrientationSequence = highdicom.PlaneOrientationSequence("PATIENT", (1, 0, 0, 0, 1, 0))
    shared.PixelMeasuresSequence = highdicom.PixelMeasuresSequence((3, 2), 4)
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for number in range(12):
        group, content = Dataset(), Dataset()
        group.PlanePositionSequence = highdicom.PlanePositionSequence("PATIENT", (0, 0, 4 * (number % 4)))
        content.TemporalPositionIndex = number // 4 + 1
        content.FrameAcquisitionDuration = 1000.0 * SECONDS[number // 4]
        group.FrameContentSequence = [content]
        made.PerFrameFunctionalGroupsSequence.append(group)
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="3 time frames"):
        io.read(tmp_path / "a.dcm")
    assert np.array_equal(io.read(tmp_path / "a.dcm", frame=1).native()[0], FRAMES[1])
    mean = io.read(tmp_path / "a.dcm", frame="mean")
    assert mean.native()[0] == pytest.approx(np.tensordot(np.array(SECONDS) / 100, FRAMES, axes=1))


def test_nifti_is_weighted_by_the_durations_beside_it(tmp_path: Path) -> None:
    nib.Nifti1Image(np.moveaxis(NATIVE, 0, -1), np.eye(4)).to_filename(tmp_path / "pet.nii.gz")
    assert io.read(tmp_path / "pet.nii.gz", frame="mean").native()[0] == pytest.approx(NATIVE.mean(axis=0))
    (tmp_path / "pet.json").write_text(json.dumps({"FrameDuration": SECONDS}))
    image = io.read(tmp_path / "pet.nii.gz", frame="mean")
    assert image.native()[0] == pytest.approx(WEIGHTED)
    assert "weighted" in image.notes[0]
    (tmp_path / "pet.json").write_text(json.dumps({"FrameDuration": [1, 2]}))
    assert io.read(tmp_path / "pet.nii.gz", frame="mean").notes == ("mean of 3 volumes",)


def test_the_command_line_averages_the_dynamic_one_of_its_sources(tmp_path: Path) -> None:
    pet = dynamic(tmp_path / "pet")
    (tmp_path / "mr").mkdir()
    for index in range(4):
        made = dicom_slice(FRAMES[0, :, :, index].T, position=(0, 0, 4.0 * index), Modality="MR")
        made.save_as(tmp_path / "mr" / f"{index}.dcm", enforce_file_format=True)
    arguments = ["fuse", str(tmp_path / "mr"), str(pet), "-o", str(tmp_path / "f.nii.gz"), "-m", "mean"]
    assert isinstance(CliRunner().invoke(app, arguments).exception, InputError)
    result = CliRunner().invoke(app, [*arguments, "--frame", "mean", "--json"])
    assert result.exit_code == 0, result.output
    assert any("weighted by their durations" in note for note in json.loads(result.stdout)["provenance"]["notes"])
