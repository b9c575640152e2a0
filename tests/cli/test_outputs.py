"""What `fuse` writes beside the result, and that names it cannot write are refused before it fuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from tests.cli.calls import called
from trifuse import fusion

Run = Callable[..., tuple[int, str]]
SIZE = (20, 24, 10)


@pytest.fixture
def run() -> Run:
    """Runs the command line in this process; returns its exit code and what it printed."""

    def run_it(*arguments: object) -> tuple[int, str]:
        done = called(*arguments)
        return done.code, done.stderr

    return run_it


@pytest.fixture
def volumes(tmp_path: Path) -> list[Path]:
    """A smooth grey volume and a second one, 3 mm between slices."""
    random = np.random.default_rng(0)
    paths = [tmp_path / "in" / f"{name}.nii.gz" for name in ("t1", "pet")]
    paths[0].parent.mkdir()
    for path in paths:
        values = gaussian_filter(random.random(SIZE), 2).astype(np.float32)
        nib.save(nib.Nifti1Image(values, np.diag([1.0, 1, 3, 1])), path)
    return paths


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [tmp_path / "in" / f"{name}.png" for name in ("t1", "t2")]
    paths[0].parent.mkdir(exist_ok=True)
    for path in paths:
        Pillow.fromarray(random.integers(0, 256, (20, 24), dtype=np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("film", ["fly.gif", "fly.apng"])
@pytest.mark.parametrize("axis", [0, 2])
def test_planes_and_cine_of_a_volume(run, volumes: list[Path], tmp_path: Path, film: str, axis: int) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "new"
    asked = ["--picture", out / "planes.png", "--gif", out / film, "--axis", axis]
    code, printed = run("fuse", *volumes, "-o", out / "fused.nii.gz", "-m", "mean", *asked)
    assert code == 0, printed
    assert all(str(out / name) in printed for name in ("fused.nii.gz", "planes.png", film))
    assert {path.name for path in out.iterdir()} == {"fused.nii.gz", "fused.nii.gz.json", "planes.png", film}
    with Pillow.open(out / "planes.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    columns = np.array_split(pixels, 3, axis=1)  # two sources and the result
    assert all(column.max() > 150 for column in columns)
    assert (np.ptp(pixels, axis=2) > 60).any()  # letters and crosshair are yellow
    with Pillow.open(out / film) as cine:
        width, height = cine.size
        assert cine.n_frames == SIZE[axis]
    assert (width, height) == ((20, 24) if axis == 2 else (24, 30))  # slices stand upright, 3 mm high each


def test_pdf_of_pictures(run, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, printed = run("fuse", *pictures, "-o", tmp_path / "f.png", "-m", "mean", "--picture", tmp_path / "sheet.pdf")
    assert code == 0, printed
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")


OUTPUTS = [
    (2, ["-o", "out"], "a folder is for the slices of a volume"),
    (3, ["-o", "out.png"], "does not fit into a PNG"),
    (2, ["-o", "f.png", "--gif", "fly.gif"], "only volumes"),
    (2, ["-o", "f.png", "--picture", "f.png"], "name the same file"),
    (3, ["-o", "there"], "there: is a folder"),
]
OUTPUTS += [
    (dims, wanted, words)
    for dims, out in ((2, "f.png"), (3, "f.nii.gz"))
    for wanted, words in (
        (["-o", "out.xyz"], "no format is written"),
        (["-o", "file/" + out], "file is no folder"),
        (["-o", out, "--picture", "x.xyz"], "no picture can be written"),
        (["-o", out, "--picture", "x"], "no picture can be written"),
        (["-o", out, "--picture", "file/x.png"], "file is no folder"),
        (["-o", out, "--picture", "there"], "no picture can be written"),
        (["-o", out, "--gif", "x.png"], "a cine is written as"),
        (["-o", out, "--gif", "x"], "a cine is written as"),
        (["-o", out, "--gif", "file/x.gif"], "file is no folder"),
        (["-o", out, "--keep-patient", "there"], "only DICOM keeps patient data"),
        (["-o", "f.dcm", "--keep-patient", "absent"], "there is no such file"),
    )
]


@pytest.mark.parametrize(("dims", "wanted", "words"), OUTPUTS)
def test_what_cannot_be_written_is_refused_before_fusing(  # type: ignore[no-untyped-def]
    run, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dims, wanted, words
) -> None:
    sources = request.getfixturevalue("volumes" if dims == 3 else "pictures")
    monkeypatch.setattr(fusion, "fuse", lambda *_, **__: pytest.fail("it fused first"))
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    arguments = [one if one.startswith("-") else tmp_path / one for one in wanted]
    code, printed = run("fuse", *sources, *arguments, "-m", "mean")
    assert code == 2
    assert words in printed
    assert len(printed.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "wanted", [["-o", "in/t1.png"], ["-o", "link.png"], ["-o", "f.png", "--picture", "in/../in/t2.png"]]
)
def test_no_source_is_replaced(run, pictures: list[Path], tmp_path: Path, wanted: list[str]) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "link.png").symlink_to(pictures[1])
    before = [path.read_bytes() for path in pictures]
    code, printed = run("fuse", *pictures, *(one if one.startswith("-") else tmp_path / one for one in wanted))
    assert code == 2
    assert "which it would replace" in printed
    mean = pictures[0].rename(pictures[0].with_name("mean.png"))
    code, printed = run("compare", mean, pictures[1], "-o", mean.parent, "--methods", "mean")
    assert code == 2
    assert "is source 1" in printed
    assert [mean.read_bytes(), pictures[1].read_bytes()] == before


def test_windows_are_given_for_each_source(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ct = np.array([[-1000, 0], [40, 80]], np.int16)
    pet = np.array([[0, 3], [6, 80]], np.float32)
    for name, values in (("ct", ct), ("pet", pet)):
        nib.save(nib.Nifti1Image(values[..., None], np.diag([1.0, 1, 3, 1])), tmp_path / f"{name}.nii")
    sources, out = [tmp_path / "ct.nii", tmp_path / "pet.nii"], tmp_path / "f.nii"
    code, _ = run(
        "fuse", *sources, "-o", out, "-m", "max", "--window", "brain", "--window", "2=0:6", "--colour", "luma"
    )
    assert code == 0
    assert np.allclose(nib.load(out).get_fdata()[..., 0], [[0, 0.5], [1, 1]])
    told = json.loads(out.with_name("f.nii.json").read_text())
    assert [source["window"] for source in told["sources"]] == [[0, 80], [0, 6]]
    assert "source 2: shown from 0 to 6, as asked for: 0:6" in told["notes"]
    code, printed = run("fuse", *sources, "-o", out, "--window", "2=brain")
    assert (code, "window brain is in HU" in printed) == (2, True)
    code, printed = run("evaluate", out, "-s", sources[0], "-s", sources[1], "-m", "mae", "--window", "1=0:80")
    assert code == 0


def test_channels_that_are_modalities_are_sources(run, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    levels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "three.tif", levels, photometric="rgb")
    out, sheet = tmp_path / "f.png", tmp_path / "sheet.png"
    code, printed = run(
        "fuse", tmp_path / "three.tif", "-o", out, "-m", "max", "--channels", "separate", "--picture", sheet
    )
    assert code == 0
    assert np.array_equal(np.asarray(Pillow.open(out)), levels.max(axis=2))
    assert "source 2: channel 2 of 3 taken as an image of its own" in printed
    assert sheet.is_file()
    code, _ = run(
        "fuse", pictures[0], tmp_path / "three.tif", "-o", out, "-m", "max", "--channels", "2:separate", "--overwrite"
    )
    grey = np.asarray(Pillow.open(pictures[0]))
    assert np.array_equal(np.asarray(Pillow.open(out)), np.maximum(grey, levels.max(axis=2)))
    code, printed = run("fuse", *pictures, "-o", out, "--channels", "separate")
    assert (code, "nothing to separate" in printed) == (2, True)
