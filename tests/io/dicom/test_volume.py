"""Slices that are nearly even, not even, or no slices at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Modality

RNG = np.random.default_rng(12)
VOLUME = RNG.integers(0, 900, (5, 6, 8)).astype(np.int16)


def saved(folder: Path, heights: list[float], **attributes: object) -> Path:
    for index, height in enumerate(heights):
        given = {k: v[index] if isinstance(v, tuple) else v for k, v in attributes.items()}
        given = {"position": (0, 0, height), **given}
        dicom_slice(VOLUME[:, :, index].T, **given).save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_positions_that_an_exporter_rounded_are_even(tmp_path: Path, digits: int) -> None:
    step = 5.27 if digits == 0 else 3.2748
    image = io.read(saved(tmp_path, [round(0.11 + step * index, digits) for index in range(8)]))
    assert image.spacing[2] == pytest.approx(step, abs=0.07 if digits == 0 else 0.02)
    assert np.array_equal(image.native()[0], VOLUME)
    assert any("taken as even" in note for note in image.notes)


def test_even_positions_need_no_remark(tmp_path: Path) -> None:
    assert io.read(saved(tmp_path, [3.27 * index for index in range(8)])).notes == ()


def test_cosines_that_an_exporter_rounded_are_parallel(tmp_path: Path) -> None:
    cosines = tuple((1, 4e-3 * (index % 3), 0, 0, 1, 0) for index in range(8))
    image = io.read(saved(tmp_path, [4.0 * index for index in range(8)], cosines=cosines))
    assert image.space == VOLUME.shape
    assert any("taken as parallel" in note for note in image.notes)


def test_a_slight_tilt_is_kept(tmp_path: Path) -> None:
    positions = tuple((0, 4 * index * np.tan(np.radians(0.5)), 4.0 * index) for index in range(8))
    image = io.read(saved(tmp_path, [0.0] * 8, position=positions))
    assert np.allclose(image.affine[:3, 2], [0, -4 * np.tan(np.radians(0.5)), 4])
    assert any("0.5 degrees" in note for note in image.notes)


def test_gaps_are_filled_where_allowed(tmp_path: Path) -> None:
    heights = [0.0, 4, 8, 16, 20, 24, 28, 32]
    with pytest.raises(InputError, match=r"4\.00 to 8\.00 mm.*--allow-gaps"):
        io.read(saved(tmp_path, heights))
    image = io.read(tmp_path, allow_gaps=True)
    assert image.space == (5, 6, 9)
    assert image.spacing[2] == pytest.approx(4)
    right = np.insert(VOLUME.astype(float), 3, (VOLUME[:, :, 2] + VOLUME[:, :, 3]) / 2, axis=2)
    assert np.allclose(image.native()[0], right)
    assert any("8 uneven slices (up to 8.00 mm apart) resampled onto 9 even ones" in note for note in image.notes)


def objects(stored: np.ndarray, **attributes: object) -> FileDataset:
    """Multi-frame object of `(frames, rows, columns)` values without place."""
    made = dicom_slice(stored[0], **attributes)
    made.NumberOfFrames, made.PixelData = len(stored), np.ascontiguousarray(stored).tobytes()
    del made.ImagePositionPatient, made.ImageOrientationPatient
    return made


FRAMES = np.ascontiguousarray(VOLUME.transpose(2, 1, 0)).astype(np.uint16)


def nuclear(kind: str, *, position: bool = True, orientation: bool = True, **attributes: object) -> FileDataset:
    given = {"Modality": "NM", "SpacingBetweenSlices": 2.5, **attributes}
    made = objects(FRAMES, ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"], **given)
    detector = Dataset()
    if orientation:
        detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    if position:
        detector.ImagePositionPatient = [1, 2, 3]
    made.DetectorInformationSequence = [detector]
    return made


def written(made: FileDataset, path: Path) -> Path:
    made.save_as(path, enforce_file_format=True)
    return path


def test_slices_of_a_reconstruction_follow_their_numbers(tmp_path: Path) -> None:
    numbers = [3, 1, 2, 4, 8, 7, 6, 5]
    image = io.read(written(nuclear("RECON TOMO", SliceVector=numbers), tmp_path / "a"))
    assert np.array_equal(image.native()[0], VOLUME[:, :, np.argsort(numbers)])
    assert np.allclose(image.affine[:3, 3], [-1, -2, 3])


@pytest.mark.parametrize("orientation", [True, False])
def test_a_reconstruction_without_place_is_a_volume_to_be_registered(tmp_path: Path, orientation: bool) -> None:
    made = nuclear("RECON TOMO", position=False, orientation=orientation, SliceVector=list(range(1, 9)))
    image = io.read(written(made, tmp_path / "a"))
    assert np.array_equal(image.native()[0], VOLUME)
    assert image.spacing == (2, 3, 2.5)
    assert image.frame_of_reference is None
    assert "no position" in image.notes[0]
    assert ("orientation" in image.notes[0]) != orientation
    assert np.allclose(image.affine @ [2, 2.5, 3.5, 1], [0, 0, 0, 1])


def test_gates_of_a_reconstruction(tmp_path: Path) -> None:
    made = nuclear("RECON GATED TOMO", SliceVector=[1, 2, 3, 4] * 2, TimeSlotVector=[1] * 4 + [2] * 4)
    path = written(made, tmp_path / "a")
    with pytest.raises(InputError, match=r"2 gates \(gate 1, gate 2\)"):
        io.read(path)
    assert np.array_equal(io.read(path, frame=1).native()[0], VOLUME[:, :, 4:])


@pytest.mark.parametrize("kind", ["TOMO", "GATED TOMO"])
@pytest.mark.parametrize("position", [True, False])
def test_raw_projections_are_no_slices(tmp_path: Path, kind: str, position: bool) -> None:
    path = written(nuclear(kind, position=position), tmp_path / "a")
    for frame in (None, "mean"):
        with pytest.raises(InputError, match="reconstruct them first"):
            io.read(path, frame=frame)  # type: ignore[arg-type]
    assert io.read(path, frame=3).space == (6, 5)


def test_a_rotation_tells_projections_that_do_not_say_so(tmp_path: Path) -> None:
    made = nuclear("EMISSION")
    made.RotationInformationSequence = [Dataset()]
    with pytest.raises(InputError, match="raw projections"):
        io.read(written(made, tmp_path / "a"))


@pytest.mark.parametrize("kind", ["WHOLE BODY", "STATIC"])
def test_planar_views_are_chosen_and_not_averaged(tmp_path: Path, kind: str) -> None:
    path = written(nuclear(kind), tmp_path / "a")
    with pytest.raises(InputError, match="holds 8 frames") as error:
        io.read(path)
    assert "mean" not in str(error.value)
    assert io.read(path, frame=1).space == (6, 5)


def test_slices_without_place_are_not_averaged(tmp_path: Path) -> None:
    path = written(objects(FRAMES, Modality="CT"), tmp_path / "a")
    with pytest.raises(InputError, match="do not say where they lie") as error:
        io.read(path)
    assert "mean" not in str(error.value)
    with pytest.raises(InputError, match="no image"):
        io.read(path, frame="mean")


def test_a_mosaic_is_no_slice(tmp_path: Path) -> None:
    made = dicom_slice(VOLUME[:, :, 0].T, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    with pytest.raises(InputError, match="mosaic"):
        io.read(written(made, tmp_path / "a"))
    made.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    made.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    made.add_new(0x0019100A, "US", 30)
    with pytest.raises(InputError, match="mosaic"):
        io.read(written(made, tmp_path / "a"))


def test_reprojections_of_a_pet_are_no_slices(tmp_path: Path) -> None:
    folder = saved(tmp_path, [4.0 * i for i in range(8)], Modality="PT", SeriesType=["STATIC", "REPROJECTION"])
    with pytest.raises(InputError, match="reprojections"):
        io.read(folder)


def part(number: int, frames: range, total: int | None) -> FileDataset:
    """Enhanced object with some frames of a volume, cut from one object."""
    made = objects(FRAMES[frames.start : frames.stop], Modality="MR", SOPInstanceUID=f"1.2.3.{number}")
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.ConcatenationUID, made.InConcatenationNumber = "1.2.9", number
    if total is not None:
        made.InConcatenationTotalNumber = total
    shared, plane = Dataset(), Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = [plane]
    made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = [shared], []
    for index in frames:
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 4.0 * index]
        group.PlanePositionSequence = [place]
        made.PerFrameFunctionalGroupsSequence.append(group)
    return made


@pytest.mark.parametrize("total", [3, None])
def test_an_object_in_several_files_is_one(tmp_path: Path, total: int | None) -> None:
    for number, frames in ((1, range(3)), (2, range(3, 6)), (3, range(6, 8))):
        written(part(number, frames, total), tmp_path / f"{9 - number}")
    image = io.read(tmp_path)
    assert np.array_equal(image.native()[0], VOLUME)
    with pytest.raises(InputError, match="concatenation"):
        io.read(tmp_path / "8")
    (tmp_path / "7").unlink()
    with pytest.raises(InputError, match="concatenation"):
        io.read(tmp_path)


def test_pixels_of_a_sonogram_have_the_size_of_its_region(tmp_path: Path) -> None:
    made = objects(FRAMES[:1], Modality="US")
    del made.PixelSpacing, made.NumberOfFrames
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, -0.03
    trace = Dataset()
    trace.RegionSpatialFormat, trace.PhysicalDeltaX, trace.PhysicalDeltaY = 3, 0.5, 0.5
    made.SequenceOfUltrasoundRegions = [region, trace]
    image = io.read(written(made, tmp_path / "a"))
    assert image.modality is Modality.US
    assert image.spacing == pytest.approx((0.3, 0.2))


def test_pixels_of_unequal_sides(tmp_path: Path) -> None:
    made = objects(FRAMES[:1], Modality="OT", PixelAspectRatio=[3, 2])
    del made.PixelSpacing, made.NumberOfFrames
    assert io.read(written(made, tmp_path / "a")).spacing == (1.5, 1)


@pytest.mark.parametrize(
    ("value", "limit", "dtype"),
    [(-32768, None, np.int16), (32768, None, np.int16), (-2000, -1900, np.int16), (65535, None, np.uint16)],
)
def test_padding_is_no_intensity(tmp_path: Path, value: int, limit: int | None, dtype: type) -> None:
    vr, outside = "SS" if value < 0 else "US", np.array(value if limit is None else -1950).astype(np.int64) % 2**16
    for index in range(8):
        stored = VOLUME[:, :, index].T.astype(dtype)
        stored[:2] = outside.astype(np.uint16).view(dtype)
        made = dicom_slice(stored, position=(0, 0, 4.0 * index), Modality="MR")
        made.add_new(0x00280120, vr, value)
        if limit is not None:
            made.add_new(0x00280121, vr, limit)
        made.save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    image = io.read(tmp_path)
    inside = VOLUME[:, 2:]
    assert image.window == (inside.min(), inside.max())
    assert np.array_equal(image.native()[0][:, 2:], inside)
    assert (image.pixels[0][:, :2] == 0).all()
    assert "padding (33 % of the pixels) is no intensity: shown black" in image.notes


def test_padding_that_could_be_an_intensity_stays(tmp_path: Path) -> None:
    stored = VOLUME[:, :, 0].T.copy()
    stored[:2] = 0
    image = io.read(written(dicom_slice(stored, Modality="MR", PixelPaddingValue=0), tmp_path / "a"))
    assert np.array_equal(image.native()[0], stored)
    assert image.notes == ()


@pytest.mark.parametrize("code", ["PT", "NM", "CT"])
def test_measures_shown_dark_on_white_are_fused_bright(tmp_path: Path, code: str) -> None:
    made = dicom_slice(VOLUME[:, :, 0].T, Modality=code, PhotometricInterpretation="MONOCHROME1")
    image = io.read(written(made, tmp_path / "a"))
    assert image.window[0] < image.window[1]
    assert "shown bright" in image.notes[0]


def test_a_window_without_end_is_none(tmp_path: Path) -> None:
    made = dicom_slice(VOLUME[:, :, 0].T, WindowCenter="40")
    made.add_new(0x00281051, "DS", "inf")
    image = io.read(written(made, tmp_path / "a"))
    assert image.window == (VOLUME[:, :, 0].min(), VOLUME[:, :, 0].max())
    assert "window in its header is none" in image.notes[0]


def test_more_pixels_than_rows_announce_are_refused(tmp_path: Path) -> None:
    made = dicom_slice(VOLUME[:, :, 0].T, Rows=5)
    with pytest.raises(InputError, match="part of the image would be lost"):
        io.read(written(made, tmp_path / "a"))


def test_more_compressed_rows_than_announced_are_refused(tmp_path: Path) -> None:
    from pydicom.uid import RLELossless

    made = dicom_slice(VOLUME[:, :, 0].T)
    made.compress(RLELossless)
    made.Rows = 5
    with pytest.raises(InputError, match="more rows than the 5"):
        io.read(written(made, tmp_path / "a"))


def test_frames_are_compared_with_the_pieces_that_are_there(tmp_path: Path) -> None:
    from pydicom.uid import RLELossless

    made = dicom_slice(VOLUME[:, :, 0].T)
    made.compress(RLELossless)
    made.NumberOfFrames = 20000
    with pytest.raises(InputError, match="1 pieces of pixels where the header announces 20000"):
        io.read(written(made, tmp_path / "a"))


def test_real_world_values_are_the_values(tmp_path: Path) -> None:
    made = dicom_slice(VOLUME[:, :, 0].T, Modality="MR")
    line, unit = Dataset(), Dataset()
    line.RealWorldValueSlope, line.RealWorldValueIntercept = 0.5, 10.0
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "um2/s", "UCUM", "um2/s"
    line.MeasurementUnitsCodeSequence = [unit]
    made.RealWorldValueMappingSequence = [line]
    image = io.read(written(made, tmp_path / "a"))
    assert np.allclose(image.native()[0], VOLUME[:, :, 0].T * 0.5 + 10)
    assert image.notes == ("real-world values in um2/s",)
