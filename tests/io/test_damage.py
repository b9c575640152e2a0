"""Damaged files end in a result or in one clear error, never in anything else, and soon."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.io.makers import save_series, valid_files
from trifuse import io
from trifuse.core.errors import TrifuseError
from trifuse.core.image import Image

BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = ["a.png", "b.jpg", "c.bmp", "d.gif", "e.tif", "f.tif", "g.png", "h.nii", "i.nii.gz", "j.dcm", "k.dcm", "l.png"]
NAMES += ["m.nrrd", "n.mha", "o.mgz", "p.mat"]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("valid")
    files = valid_files(folder)
    rng = np.random.default_rng(1)
    files["k.dcm"] = io.write(Image(rng.random((1, 4, 5, 3)).astype(np.float32), affine=np.eye(4)), folder / "k.dcm")
    files["l.png"] = io.write(Image(rng.random((3, 7, 5)).astype(np.float32)), folder / "l.png", bits=16)
    return {name: path.read_bytes() for name, path in files.items()}


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[str, float, float, int]]:
    """A few harms: kind, place and length as fractions of the file, and a byte."""
    harm = st.tuples(
        st.sampled_from(["flip", "flip early", "cut", "drop", "repeat", "fill"]),
        st.floats(0, 1),
        st.floats(0, 0.3),
        st.integers(1, 255),
    )
    return draw(st.lists(harm, min_size=1, max_size=4))


def harmed(content: bytes, harms: list[tuple[str, float, float, int]]) -> bytes:
    data = bytearray(content)
    for kind, place, length, byte in harms:
        if not data:
            break
        start = int(place * (len(data) - 1))
        stop = start + max(1, int(length * len(data)))
        if kind == "flip":
            data[start] ^= byte
        elif kind == "flip early":  # headers are short, and where most harm is done
            data[int(place * min(len(data) - 1, 400))] ^= byte
        elif kind == "cut":
            del data[start:]
        elif kind == "drop":
            del data[start:stop]
        elif kind == "repeat":
            data[start:start] = data[start:stop]
        else:
            data[start:stop] = bytes([byte]) * (min(stop, len(data)) - start)
    return bytes(data)


def outcome(path: Path) -> str:
    """The message of a refusal; empty after reading an image that keeps its promises."""
    try:
        image = io.read(path, limit=2**26)
    except TrifuseError as error:
        return str(error)
    assert image.pixels.size > 0
    assert np.isfinite(image.pixels).all()
    assert 0 <= image.pixels.min() <= image.pixels.max() <= 1
    return ""


@pytest.mark.parametrize("name", NAMES)
@given(harms=damage())
@BOUNDED
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, originals: dict[str, bytes], name: str, harms: list[tuple[str, float, float, int]]
) -> None:
    path = tmp_path / name
    path.write_bytes(harmed(originals[name], harms))
    message = outcome(path)
    assert "\n" not in message
    assert message == "" or name in message


@given(harms=damage(), victim=st.integers(0, 2))
@BOUNDED
def test_a_damaged_series_is_read_or_refused(
    tmp_path: Path, harms: list[tuple[str, float, float, int]], victim: int
) -> None:
    folder = tmp_path / "series"
    save_series(folder, np.arange(60, dtype=np.int16).reshape(4, 5, 3))
    path = sorted(folder.iterdir())[victim]
    path.write_bytes(harmed(path.read_bytes(), harms))
    assert "\n" not in outcome(folder)


@given(numbers=st.lists(st.floats(width=32), min_size=16, max_size=16))
@BOUNDED
def test_any_affine_and_any_values_are_read_or_refused(tmp_path: Path, numbers: list[float]) -> None:
    made = nib.Nifti1Image(np.array(numbers, np.float32).reshape(2, 2, 4), np.eye(4))
    made.header["sform_code"] = 1
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        made.header[name] = numbers[4 * row : 4 * row + 4]
    content = made.header.binaryblock + bytes(4) + made.get_fdata(dtype=np.float32).tobytes(order="F")
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    assert "\n" not in outcome(path)
