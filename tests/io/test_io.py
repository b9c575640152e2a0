"""Reading by content, writing by suffix, and files that are whole or not there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.io.makers import valid_files
from trifuse import io
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.io import picture as picture_io


@pytest.fixture
def grey() -> Image:
    return Image(np.linspace(0, 1, 12 * 10, dtype=np.float32).reshape(1, 12, 10))


@pytest.fixture
def volume() -> Image:
    return Image(np.linspace(0, 1, 60, dtype=np.float32).reshape(1, 3, 4, 5))


def one_line(error: pytest.ExceptionInfo[BaseException], path: Path) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert path.name in message


def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path: Path) -> None:
    for name, path in valid_files(tmp_path).items():
        expected = io.read(path)
        disguised = path.rename(tmp_path / f"{name}.data")
        found = io.read(disguised)
        assert np.array_equal(found.native(), expected.native())
        assert np.array_equal(found.pixels, expected.pixels)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x1f\x8b", b"\x89PNG\r\n\x1a\n", bytes(500)])
def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        io.read(path)
    one_line(error, path)


def test_a_missing_file_and_strange_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as error:
        io.read(tmp_path / "absent.png")
    one_line(error, tmp_path / "absent.png")
    for strange in ("a\0b.png", "x" * 5000, "two\nlines.png", ""):
        with pytest.raises(InputError) as error:
            io.read(strange)
        assert "\n" not in str(error.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        io.read(tmp_path / "pipe.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_and_folder_are_refused(tmp_path: Path) -> None:
    path = valid_files(tmp_path)["a.png"]
    path.chmod(0)
    with pytest.raises(InputError, match="access rights"):
        io.read(path)
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    with pytest.raises(InputError, match="access rights"):
        io.read(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        io.read(tmp_path)


def test_damage_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in valid_files(tmp_path).values():
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(InputError) as error:
            io.read(path)
        one_line(error, path)
    seen = capfd.readouterr()
    assert seen.err == ""
    assert seen.out == ""


def test_the_limit_is_an_argument_and_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = valid_files(tmp_path)["a.png"]  # 13 x 11 pixels, 858 bytes: in Pillow, as an array, and in float32
    assert io.read(path, limit=858).space == (13, 11)
    with pytest.raises(InputError, match="too large"):
        io.read(path, limit=857)
    monkeypatch.setenv("TRIFUSE_MAX_BYTES", "857")
    with pytest.raises(InputError, match="TRIFUSE_MAX_BYTES"):
        io.read(path)
    monkeypatch.setenv("TRIFUSE_MAX_BYTES", "much")
    with pytest.raises(OptionError, match="much"):
        io.read(path)


@pytest.mark.parametrize("frame", ["median", 1.5, True])
def test_a_frame_that_means_nothing_is_refused(tmp_path: Path, frame: object) -> None:
    with pytest.raises(OptionError, match="frame"):
        io.read(valid_files(tmp_path)["a.png"], frame=frame)  # type: ignore[arg-type]


def test_provenance_lies_beside_under_the_full_name(tmp_path: Path, grey: Image) -> None:
    said = {"seed": np.int64(3), "std": float("nan"), "folder": tmp_path, "scales": (1, 2), "table": np.eye(2)}
    path = io.write(grey, tmp_path / "new" / "fused.png", provenance=said)
    assert path == tmp_path / "new" / "fused.png"
    assert sorted(p.name for p in path.parent.iterdir()) == ["fused.png", "fused.png.json"]
    kept = json.loads((tmp_path / "new" / "fused.png.json").read_text())
    assert kept == {"seed": 3, "std": None, "folder": str(tmp_path), "scales": [1, 2], "table": [[1, 0], [0, 1]]}


def test_after_a_failure_nothing_remains(tmp_path: Path, grey: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(image: Image, path: Path, kind: str, bits: int) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture_io, "write", full_disk)
    with pytest.raises(InputError, match="No space left"):
        io.write(grey, tmp_path / "a" / "b" / "fused.png", provenance={})
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_second_file_takes_the_first_away(tmp_path: Path, grey: Image) -> None:
    (tmp_path / "fused.png.json").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        io.write(grey, tmp_path / "fused.png", provenance={})
    assert [p.name for p in tmp_path.iterdir()] == ["fused.png.json"]


def test_an_older_file_survives_a_failure_to_encode(
    tmp_path: Path, grey: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = io.write(grey, tmp_path / "fused.png")
    before = path.read_bytes()

    def broken(image: Image, path: Path, kind: str, bits: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(picture_io, "write", broken)
    with pytest.raises(InputError):
        io.write(grey, path)
    assert path.read_bytes() == before


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path, grey: Image) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        io.write(grey, tmp_path / "file" / "fused.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        io.write(grey, tmp_path / "folder.png")


@pytest.mark.parametrize("name", ["fused", "fused.gif", "fused.xyz", "fused.gz"])
def test_a_suffix_without_format_is_refused(tmp_path: Path, grey: Image, name: str) -> None:
    expected = r"for the slices of a volume.*\.dcm" if name == "fused" else r"\.png.*\.nii\.gz.*\.dcm"
    with pytest.raises(OptionError, match=expected):
        io.write(grey, tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_volume_is_no_picture(tmp_path: Path, volume: Image, suffix: str) -> None:
    with pytest.raises(InputError, match=r"\.nii\.gz or \.dcm"):
        io.write(volume, tmp_path / f"fused{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "bits"), [("a.jpg", 16), ("a.png", 32), ("a.nii", 8), ("a.dcm", 8)])
def test_bits_that_a_format_lacks_are_refused(tmp_path: Path, grey: Image, name: str, bits: io.Bits) -> None:
    with pytest.raises(OptionError, match="bits"):
        io.write(grey, tmp_path / name, bits=bits)


def test_only_dicom_keeps_the_patient(tmp_path: Path, grey: Image) -> None:
    with pytest.raises(OptionError, match=r"\.dcm"):
        io.write(grey, tmp_path / "a.png", keep_patient=tmp_path)


def test_an_object_that_holds_an_image_is_that_image(grey: Image) -> None:
    @dataclass
    class Held:
        image: Image

    assert Image.of(Held(grey)) is grey
    assert Image.of(grey) is grey


@pytest.mark.parametrize("source", [None, 3, "absent.png", [1, 2], object(), {"a": 1}, b"bytes"])
def test_what_is_no_source_is_refused(source: object) -> None:
    with pytest.raises(InputError):
        Image.of(source)


def test_the_loggers_of_the_libraries_work_again_after_reading(tmp_path: Path) -> None:
    import logging

    Pillow.new("L", (3, 3)).save(tmp_path / "a.png")
    io.read(tmp_path / "a.png")
    assert not logging.getLogger("pydicom").disabled
    assert not logging.getLogger("nibabel.global").disabled
