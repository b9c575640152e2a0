"""Single files: slices, colour, palettes, inverted grey, windows, modalities, frames, compression."""

from __future__ import annotations

import zlib
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from tests.io.makers import bare, dicom_slice
from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import PICTURE_AFFINE, Modality

RNG = np.random.default_rng(8)
STORED = RNG.integers(0, 2000, (6, 5)).astype(np.int16)


def saved(made: Dataset, path: Path) -> Path:
    made.save_as(path, enforce_file_format=True)
    return path


def test_a_slice_is_rows_and_columns_in_their_place(tmp_path: Path) -> None:
    made = dicom_slice(STORED, position=(10, 20, 30), RescaleSlope=2, RescaleIntercept=-1024)
    image = io.read(saved(made, tmp_path / "a"))
    assert image.space == (6, 5)
    assert image.native().dtype == np.int16
    assert np.array_equal(image.native()[0], STORED * 2 - 1024)
    # Row 2, column 1 lies 2 x 3 mm further back and 1 x 2 mm further left than the first pixel.
    assert np.allclose(image.affine @ [2, 1, 0, 1], [-12, -26, 30, 1])
    assert np.allclose(image.affine @ [0, 0, 1, 1], [-10, -20, 34, 1])


def test_the_window_of_a_ct_is_that_of_its_header(tmp_path: Path) -> None:
    made = dicom_slice(STORED, WindowCenter=[40, 300], WindowWidth=[400, 2000])
    assert io.read(saved(made, tmp_path / "a")).window == (-160, 239)  # PS3.3 C.11.2.1.2.1
    made.VOILUTFunction = "LINEAR_EXACT"
    assert io.read(saved(made, tmp_path / "a")).window == (-160, 240)
    made.Modality = "MR"
    assert io.read(saved(made, tmp_path / "a")).window == (STORED.min(), STORED.max())


def test_monochrome1_keeps_values_and_shows_them_reversed(tmp_path: Path) -> None:
    made = dicom_slice(STORED, PhotometricInterpretation="MONOCHROME1", Modality="CR")
    image = io.read(saved(made, tmp_path / "a"))
    assert np.array_equal(image.native()[0], STORED)
    assert image.window == (STORED.max(), STORED.min())
    assert np.unravel_index(image.pixels[0].argmax(), (6, 5)) == np.unravel_index(STORED.argmin(), (6, 5))


def test_signed_values_of_12_bits_are_exact(tmp_path: Path) -> None:
    stored = RNG.integers(-2048, 2047, (6, 5)).astype(np.int16)
    made = dicom_slice(stored, BitsStored=12, HighBit=11)
    assert np.array_equal(io.read(saved(made, tmp_path / "a")).native()[0], stored)


def test_a_modality_lut_is_obeyed(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor = [2000, 0, 16]
    item.ModalityLUTType = "US"
    table = (np.arange(2000) * 30 % 65536).astype(np.uint16)
    item["LUTData"] = pydicom.DataElement(0x00283006, "OW", table.tobytes())
    made = dicom_slice(STORED.astype(np.uint16), ModalityLUTSequence=[item])
    del made.RescaleSlope, made.RescaleIntercept
    assert np.array_equal(io.read(saved(made, tmp_path / "a")).native()[0], table[STORED])


def colour_file(path: Path, values: np.ndarray, photometric: str = "RGB") -> Path:
    made = dicom_slice(values, Modality="US", SamplesPerPixel=3, PhotometricInterpretation=photometric)
    made.PlanarConfiguration = 0
    del made.RescaleSlope, made.RescaleIntercept
    return saved(made, path)


def test_colour_is_exact_and_equal_channels_are_grey(tmp_path: Path) -> None:
    rgb = RNG.integers(0, 256, (6, 5, 3)).astype(np.uint8)
    image = io.read(colour_file(tmp_path / "a", rgb))
    assert np.array_equal(np.moveaxis(image.native(), 0, -1), rgb)
    assert image.window == (0, 255)
    assert image.modality is Modality.US
    rgb[:] = rgb[..., :1]
    assert io.read(colour_file(tmp_path / "b", rgb)).channels == 1


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    rgb = RNG.integers(40, 200, (6, 5, 3)).astype(np.uint8)
    ybr = pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL")
    image = io.read(colour_file(tmp_path / "a", ybr, "YBR_FULL"))
    assert np.abs(np.moveaxis(image.native(), 0, -1).astype(int) - rgb).max() <= 2


def test_palette_colour_is_resolved(tmp_path: Path) -> None:
    made = dicom_slice((STORED % 256).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    tables = RNG.integers(0, 256, (3, 256)).astype(np.uint8)
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(made, f"{name}PaletteColorLookupTableData", table.tobytes())
    image = io.read(saved(made, tmp_path / "a"))
    assert np.array_equal(image.native(), tables[:, STORED % 256])


@pytest.mark.parametrize(
    ("description", "modality"),
    [
        ("AX T1 SE", Modality.T1),
        ("* T1 AXIAL PRE GAD", Modality.T1),
        ("* T1 AXIAL POST GAD", Modality.GAD),
        ("t1_mprage +C", Modality.GAD),
        ("AXIAL SE T2 FAT SAT", Modality.T2),
        ("T2-FLAIR", Modality.FLAIR),
        ("PDw TSE", Modality.PD),
        ("localizer", Modality.OTHER),
    ],
)
def test_mr_sequences_are_recognised_by_their_description(tmp_path: Path, description: str, modality: Modality) -> None:
    made = dicom_slice(STORED, Modality="MR", SeriesDescription=description)
    assert io.read(saved(made, tmp_path / "a")).modality is modality


@pytest.mark.parametrize(("code", "modality"), [("PT", "PET"), ("NM", "SPECT"), ("US", "US"), ("CT", "CT")])
def test_modalities_are_recognised_by_their_code(tmp_path: Path, code: str, modality: str) -> None:
    assert io.read(saved(dicom_slice(STORED, Modality=code), tmp_path / "a")).modality is Modality(modality)


def test_a_picture_without_place_gets_the_usual_one(tmp_path: Path) -> None:
    made = dicom_slice(STORED)
    del made.ImagePositionPatient, made.ImageOrientationPatient
    image = io.read(saved(made, tmp_path / "a"))
    assert np.allclose(image.affine, PICTURE_AFFINE @ np.diag([3, 2, 1, 1]))


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    assert np.array_equal(io.read(bare(dicom_slice(STORED), tmp_path / "a")).native()[0], STORED)


def test_an_object_without_image_is_refused(tmp_path: Path) -> None:
    made = dicom_slice(STORED)
    del made.PixelData
    with pytest.raises(InputError, match=r"no image .CT Image Storage"):
        io.read(saved(made, tmp_path / "a"))


def multi_frame(frames: np.ndarray, **attributes: object) -> Dataset:
    made = dicom_slice(frames[0], **attributes)
    made.NumberOfFrames = len(frames)
    made.PixelData = frames.tobytes()
    return made


def enhanced(frames: np.ndarray, heights: list[float]) -> Dataset:
    made = multi_frame(frames, Modality="MR")
    del made.ImagePositionPatient, made.ImageOrientationPatient, made.PixelSpacing
    shared = Dataset()
    shared.PlaneOrientationSequence = highdicom.PlaneOrientationSequence("PATIENT", (1, 0, 0, 0, 1, 0))
    shared.PixelMeasuresSequence = highdicom.PixelMeasuresSequence((3, 2), 4)
    made.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, height in enumerate(heights):
        group, scale = Dataset(), Dataset()
        group.PlanePositionSequence = highdicom.PlanePositionSequence("PATIENT", (1, 2, height))
        scale.RescaleSlope, scale.RescaleIntercept = number + 0.5, 0
        group.PixelValueTransformationSequence = [scale]
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = groups
    return made


def test_an_enhanced_object_is_a_volume_sorted_by_place(tmp_path: Path) -> None:
    frames = RNG.integers(0, 900, (4, 6, 5)).astype(np.int16)
    path = saved(enhanced(frames, [8, 0, 12, 4]), tmp_path / "a")
    image = io.read(path)
    scaled = frames * np.array([0.5, 1.5, 2.5, 3.5])[:, None, None]
    assert np.array_equal(image.native()[0], scaled[[1, 3, 0, 2]].transpose(2, 1, 0))
    assert np.allclose(image.affine, [[-2, 0, 0, -1], [0, -3, 0, -2], [0, 0, 4, 0], [0, 0, 0, 1]])
    one = io.read(path, frame=2)
    assert np.array_equal(one.native()[0], scaled[2])
    assert one.affine[2, 3] == 12


def test_an_enhanced_object_with_gaps_is_refused(tmp_path: Path) -> None:
    frames = RNG.integers(0, 900, (4, 6, 5)).astype(np.int16)
    with pytest.raises(InputError, match="slice distances"):
        io.read(saved(enhanced(frames, [0, 4, 8, 16]), tmp_path / "a"))


def test_frames_without_place_need_a_choice(tmp_path: Path) -> None:
    frames = RNG.integers(0, 255, (4, 6, 5)).astype(np.uint8)
    made = multi_frame(frames, Modality="US")
    del made.ImagePositionPatient, made.ImageOrientationPatient
    path = saved(made, tmp_path / "a")
    with pytest.raises(InputError, match="4 frames"):
        io.read(path)
    assert np.array_equal(io.read(path, frame=3).native()[0], frames[3])
    assert np.allclose(io.read(path, frame="mean").native()[0], frames.mean(axis=0))


def test_a_spect_reconstruction_is_a_volume(tmp_path: Path) -> None:
    frames = RNG.integers(0, 255, (4, 6, 5)).astype(np.uint16)
    made = multi_frame(frames, Modality="NM", SpacingBetweenSlices=2.5)
    del made.ImagePositionPatient, made.ImageOrientationPatient
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    made.DetectorInformationSequence = [detector]
    image = io.read(saved(made, tmp_path / "a"))
    assert image.modality is Modality.SPECT
    assert np.array_equal(image.native()[0], frames.transpose(2, 1, 0))
    assert np.allclose(image.affine[:3, 2:], [[0, -1], [0, -2], [2.5, 3]])


def test_run_length_and_deflated_files_are_read(tmp_path: Path) -> None:
    made = dicom_slice(STORED)
    made.compress(RLELossless)
    assert np.array_equal(io.read(saved(made, tmp_path / "a")).native()[0], STORED)
    made = dicom_slice(STORED)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert np.array_equal(io.read(saved(made, tmp_path / "b")).native()[0], STORED)


@pytest.mark.parametrize(("low", "slope"), [(0, 1.0), (-1000, 1.0), (0, 0.25)])
def test_lossless_jpeg_of_archives_is_read(tmp_path: Path, low: int, slope: float) -> None:
    stored = RNG.integers(low, 2000, (64, 48)).astype(np.int16 if low < 0 else np.uint16)
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.Execute(SimpleITK.GetImageFromArray(stored[None]))
    made = pydicom.dcmread(tmp_path / "a.dcm")
    assert made.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    made.RescaleSlope, made.RescaleIntercept, made.Modality = slope, -7, "PT"
    made.save_as(tmp_path / "a.dcm")
    image = io.read(tmp_path / "a.dcm", frame=0)
    assert np.array_equal(image.native()[0], stored * slope - 7)
    content = (tmp_path / "a.dcm").read_bytes()
    for precision in (0, 36, 136):  # of the frame header, where 16 bits are announced
        damaged = content.replace(b"\xff\xc3\x00\x0b\x10", b"\xff\xc3\x00\x0b" + bytes([precision]))
        assert damaged != content
        (tmp_path / "b.dcm").write_bytes(damaged)
        with pytest.raises(InputError, match="do not agree"):
            io.read(tmp_path / "b.dcm")


def test_a_header_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    made = dicom_slice(STORED, NumberOfFrames=5)
    with pytest.raises(InputError, match="truncated"):
        io.read(saved(made, tmp_path / "a"))
    made = dicom_slice(STORED, Rows=60000, Columns=60000)
    with pytest.raises(InputError, match=r"damaged|too large"):
        io.read(saved(made, tmp_path / "b"))


def test_a_deflated_bomb_is_refused(tmp_path: Path) -> None:
    made = dicom_slice(STORED)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = saved(made, tmp_path / "a")
    start = 132 + 12 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    squeezer = zlib.compressobj(wbits=-15)
    zeros = b"".join(squeezer.compress(bytes(2**20)) for _ in range(20)) + squeezer.flush()
    path.write_bytes(path.read_bytes()[:start] + zeros)
    with pytest.raises(InputError, match="unpacks to more"):
        io.read(path, limit=2**23)
