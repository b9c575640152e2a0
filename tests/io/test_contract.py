"""What every format keeps: recognition, native values, sides, units, the way back, damage, origin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.io.makers import PICTURE, STEPS, sample
from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.image import Image
from trifuse.io import formats

NAMES = [name for name in formats.names() if formats.REGISTRY.origin(name) == "trifuse"]
FILES = [name for name in NAMES if name != "dicom"]  # its file is the one slice of a series
WRITTEN = [name for name in NAMES if formats.get(name).write is not None]


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, np.ndarray]:
    return sample(request.param, tmp_path)


def placed(image: Image, values: np.ndarray) -> None:
    """The image holds the values of a volume, each where it lies in the patient, whatever the order of its axes."""
    native = image.native()[0]
    assert native.size == values.size
    spots = np.array(np.meshgrid(*map(range, values.shape), indexing="ij")).reshape(3, -1)
    millimetres = STEPS @ np.vstack([spots, np.ones(spots.shape[1])])
    found = np.linalg.inv(image.affine) @ millimetres
    assert np.allclose(found, np.rint(found), atol=1e-3)
    assert np.array_equal(native[tuple(np.rint(found[:3]).astype(int))], values[tuple(spots)])


@pytest.mark.parametrize("name", NAMES)
def test_its_entry_is_consistent(name: str) -> None:
    found = formats.get(name)
    assert found.kind == name
    assert (found.write is not None) == bool(found.depths)
    assert len({suffix for other in formats.every() for suffix in other.suffixes}) == sum(
        len(other.suffixes) for other in formats.every()
    )
    for suffix in found.suffixes if found.write is not None else ():
        assert formats.for_name(Path(f"name{suffix.upper()}")) is found


@pytest.mark.parametrize(("name", "made"), [(name, name) for name in FILES], indirect=["made"])
def test_it_is_recognised_and_gives_native_values_where_they_lie(name: str, made: tuple[Path, np.ndarray]) -> None:
    path, values = made
    image = io.read(path)
    assert path.name in image.origin
    if not formats.get(name).folder:
        assert formats.of_file(path, "x") is formats.get(name)
    if formats.get(name).units:
        placed(image, values)
    else:
        assert np.array_equal(image.native()[0], values)
    low, high = image.window
    assert low + image.pixels * (high - low) == pytest.approx(np.clip(image.native(), low, high), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "made"), [(name, name) for name in FILES if name not in ("pair", "series")], indirect=["made"]
)
def test_its_name_plays_no_part(name: str, made: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, _ = made
    expected = io.read(path)
    disguised = path.rename(tmp_path / "sample.data")
    assert np.array_equal(io.read(disguised).native(), expected.native())


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_comes_back(name: str, tmp_path: Path) -> None:
    found = formats.get(name)
    rng = np.random.default_rng(0)
    for dims in found.dims:
        shape = (1, *((13, 11) if dims == 2 else (4, 5, 6)))
        native = np.rint(rng.random(shape) * 900 - 400).astype(np.float32)
        affine = STEPS if dims == 3 else Image(np.zeros(shape, np.float32)).affine
        image = Image.from_native(native, affine=affine, window=(-400, 500))
        for bits in found.depths:
            again = io.read(io.write(image, tmp_path / f"d{dims}b{bits}{found.suffixes[0]}", bits=bits))
            if found.units:
                assert again.native() == pytest.approx(native, abs=0.02)
                assert again.window == pytest.approx((-400, 500), abs=0.1)
                assert np.allclose(again.affine, affine, atol=1e-4)
            else:
                tolerance = 6 / 255 if name == "jpeg" else 0.51 / (2 ** min(bits, 16) - 1)
                assert again.pixels == pytest.approx(image.pixels, abs=tolerance)


@pytest.mark.parametrize("name", WRITTEN)
def test_colour_comes_back(name: str, tmp_path: Path) -> None:
    found = formats.get(name)
    levels = np.random.default_rng(0).integers(0, 256, (3, *((13, 11) if 2 in found.dims else (4, 5, 6))), np.uint8)
    smooth = np.broadcast_to(np.array([200, 90, 30], np.uint8).reshape(3, *[1] * (levels.ndim - 1)), levels.shape)
    held = smooth if name == "jpeg" else levels
    image = Image.from_native(np.ascontiguousarray(held), window=(0, 255), affine=np.diag([-1.0, -1, 1, 1]))
    again = io.read(io.write(image, tmp_path / f"c{found.suffixes[0]}"))
    assert again.pixels * 255 == pytest.approx(held.astype(float), abs=3 if name == "jpeg" else 0.01)


@pytest.mark.parametrize(("name", "made"), [(name, name) for name in FILES if name != "series"], indirect=["made"])
@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_a_part_of_it_is_refused_in_one_line(name: str, made: tuple[Path, np.ndarray], kept: float) -> None:
    path, _ = made
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError) as error:
        io.read(path)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)


@pytest.mark.parametrize("made", ["nifti", "mgh", "nrrd", "metaimage"], indirect=True)
def test_flipped_bits_of_packed_values_are_seen(made: tuple[Path, np.ndarray]) -> None:
    path, values = made
    content, expected = path.read_bytes(), io.read(path).native()
    start = (
        len(content) // 2
        if path.suffix in (".gz", ".mgz")
        else content.find(b"\n\n" if path.suffix == ".nrrd" else b"LOCAL\n")
    )
    passed = 0
    for place in range(max(start, 10), len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            native = io.read(path).native()
        except InputError:
            continue
        passed += not np.array_equal(native, expected)
    assert passed == 0
    assert values.size == expected.size


def test_the_sample_is_not_symmetric() -> None:
    assert not np.array_equal(PICTURE, PICTURE[::-1])
    assert not np.array_equal(PICTURE, PICTURE[:, ::-1])
