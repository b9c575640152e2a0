"""The command line: what a user types, reads and finds on disk."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.cli.calls import trifuse
from tests.io.makers import dicom_slice
from trifuse.cli.app import COMMANDS


def test_it_runs_in_a_process_of_its_own(pictures: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trifuse.cli.app", "fuse", *pictures, "-o", tmp_path / "fused.png", "-m", "mean"]
    subprocess.run(list(map(str, command)), check=True, timeout=300)
    assert (tmp_path / "fused.png").is_file()
    failed = subprocess.run([*map(str, command[:4]), "nowhere.png"], capture_output=True, text=True, timeout=300)
    assert failed.returncode == 2


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two grey pictures and one coloured one, 40 x 36."""
    rng = np.random.default_rng(0)
    paths = []
    for name, shape in (("t1", (40, 36)), ("t2", (40, 36)), ("pet", (40, 36, 3))):
        paths.append(tmp_path / f"{name}.png")
        Pillow.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(paths[-1])
    return paths


def test_fuse_writes_the_picture_and_how_it_was_made(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "fused.png"
    done = trifuse("fuse", *pictures, "-o", out, "-m", "mean")
    assert str(out) in done.stderr
    with Pillow.open(out) as picture:
        assert picture.size == (36, 40)
        assert picture.mode == "RGB"
    provenance = json.loads(out.with_name("fused.png.json").read_text())
    assert provenance["method"] == "mean"
    assert len(provenance["sources"]) == 3


def test_fuse_answers_programs_in_json(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "fused.tif"
    done = trifuse("fuse", *pictures, "-o", out, "-m", "max", "--scale", "2", "--samples", "2", "--json")
    answer = json.loads(done.stdout)
    assert answer["written"]["fused"] == str(out)
    assert Path(answer["written"]["uncertainty"]).is_file()
    assert answer["provenance"]["settings"]["scale"] == 2
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["nowhere.png"], "nowhere.png"),
        (["-m", "bitonix"], "did you mean 'bitonicx'"),
        (["--scale", "3"], "scale 3"),
        (["-O", "clarity=detail", "-m", "mean"], "no option 'clarity'"),
        (["-O", "clarity", "-m", "bitonicx"], "NAME=VALUE"),
        (["-m", "bitonicx", "-O", "clarity=best"], "clarity"),
        (["--device", "abacus"], "abacus"),
        (["--reference", "9"], "reference"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    pictures: list[Path], tmp_path: Path, change: list[str], words: str
) -> None:
    out = tmp_path / "out" / "fused.png"
    done = trifuse("fuse", *pictures[:2], "-o", out, *change, code=2)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_a_suffix_without_a_format_is_refused_before_any_work(pictures: list[Path], tmp_path: Path) -> None:
    done = trifuse("fuse", *pictures, "-o", tmp_path / "fused.xyz", code=2)
    assert ".xyz" in done.stderr


def test_other_grids_are_refused_with_a_table(pictures: list[Path], tmp_path: Path) -> None:
    Pillow.fromarray(np.zeros((20, 36), np.uint8) + 7).save(tmp_path / "small.png")
    done = trifuse("fuse", pictures[0], tmp_path / "small.png", "-o", tmp_path / "f.png", code=2)
    assert "grid" in done.stderr
    assert "--register" in done.stderr
    assert "20" in done.stderr
    assert not (tmp_path / "f.png").exists()


def test_evaluate_prints_a_table_or_json(pictures: list[Path]) -> None:
    args = ["evaluate", pictures[0], "-s", pictures[0], "-s", pictures[1], "--metrics", "mse,ssim,en"]
    scores = json.loads(trifuse(*args, "--json").stdout)
    assert set(scores) == {"mse", "ssim", "en"}
    assert "ssim" in trifuse(*args).stdout
    exact = json.loads(trifuse("evaluate", pictures[0], "-r", pictures[0], "--metrics", "mse,psnr", "--json").stdout)
    assert exact == {"mse": 0.0, "psnr": "inf"}
    assert "metric" in trifuse("evaluate", pictures[0], "-s", pictures[1], "--metrics", "vief,en", code=2).stderr
    assert "source" in trifuse("evaluate", pictures[0], code=2).stderr


def test_compare_writes_pictures_sheet_and_table(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "compared"
    done = trifuse("compare", *pictures, "-o", out, "-m", "mean,max,laplacian", "--metrics", "en,mse", "--json")
    answer = json.loads(done.stdout)
    assert [row["method"] for row in answer["rows"]] == ["mean", "max", "laplacian"]
    for name in ("mean.png", "max.png", "laplacian.png", "contact-sheet.png", "metrics.csv"):
        assert (out / name).is_file(), name
    assert (out / "metrics.csv").read_text().splitlines()[0] == "method,en,mse,seconds"
    assert "meen" in trifuse("compare", *pictures, "-o", out, "-m", "meen,max", code=2).stderr


def test_methods_lists_and_shows() -> None:
    assert "bitonicx" in trifuse("methods").stdout
    shown = trifuse("methods", "bitonicx").stdout
    assert "clarity" in shown
    listed = json.loads(trifuse("methods", "--json").stdout)
    assert {"name", "takes", "options", "notes"} <= set(listed[0])
    assert "bitonicx" in trifuse("methods", "bitonic", code=2).stderr


def test_demo_fuses_the_bundled_study(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    answer = json.loads(trifuse("demo", "-o", out, "--json").stdout)
    with Pillow.open(answer["fused"]) as picture:
        assert np.asarray(picture).std() > 10
    with Pillow.open(answer["fused at x2"]) as picture:
        assert picture.size == (512, 512)
    for name in ("contact sheet", "metrics"):
        assert Path(answer[name]).is_file()
    assert {"vif", "ssim", "qabf"} <= set(answer["rows"][0])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(name: str) -> None:
    out = trifuse(name, "--help").stdout
    assert "Examples" in out
    assert f"trifuse {name}" in out


def test_the_list_of_commands_says_the_first_line_of_each() -> None:
    for name, line in COMMANDS.items():
        command = getattr(import_module(f"trifuse.cli.{name}"), name)
        assert inspect.cleandoc(command.__doc__).split("\n\n")[0].replace("\n", " ") == line
    assert all(line.split()[0] in trifuse().stdout for line in COMMANDS.values())


def test_version_and_usage() -> None:
    import trifuse as package

    assert trifuse("--version").stdout.strip() == package.__version__
    assert "Usage" in trifuse().stdout
    trifuse("fues", code=2)


def test_a_frame_of_several_is_chosen_or_averaged(tmp_path: Path) -> None:
    import nibabel

    rng = np.random.default_rng(1)
    nibabel.save(nibabel.Nifti1Image(rng.random((6, 5, 4, 3), dtype=np.float32), np.eye(4)), tmp_path / "pet.nii")
    nibabel.save(nibabel.Nifti1Image(rng.random((6, 5, 4), dtype=np.float32), np.eye(4)), tmp_path / "t1.nii")
    args = ["fuse", tmp_path / "t1.nii", tmp_path / "pet.nii", "-m", "mean", "-o", tmp_path / "fused.nii.gz"]
    assert "4D" in trifuse(*args, code=2).stderr
    trifuse(*args, "--frame", "mean")
    assert (tmp_path / "fused.nii.gz").is_file()
    assert "--frame" in trifuse(*args, "--frame", "first", code=2).stderr


def test_weights_are_listed_and_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path / "home"))
    names = {entry["name"]: entry["state"] for entry in json.loads(trifuse("weights", "--json").stdout)}
    assert names["dncnn-small"] == "shipped"
    assert names["cddfuse-official"] == "absent"
    (tmp_path / "mine.pth").write_bytes(b"no checkpoint")
    assert "mine.pth" in trifuse("weights", "add", "mine", tmp_path / "mine.pth", code=2).stderr
    assert "add NAME FILE" in trifuse("weights", "add", code=2).stderr


def test_metrics_are_listed_and_explained() -> None:
    assert "qabf" in trifuse("metrics").stdout
    shown = trifuse("metrics", "vif").stdout
    for word in ("Formula", "Range", "Pitfalls", "vif@matlab"):
        assert word in shown
    assert "ssim@evaluator" in trifuse("metrics", "cddfuse").stdout
    assert "did you mean" in trifuse("metrics", "vief", code=2).stderr


def test_folders_of_results_want_folders_of_sources(pictures: list[Path], tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    pictures[0].rename(results / "a.png")
    for others in ([pictures[1]], [pictures[1], results]):
        given = [word for other in others for word in ("-s", other)]
        assert "is a file, and" in trifuse("evaluate", results, *given, "-m", "en", code=2).stderr


@pytest.mark.parametrize("width", [50, 80, 140])
def test_a_table_breaks_no_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trifuse.cli.common import table

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    columns = ["case", *(f"metric{k}" for k in range(14))]
    values = [f"{1234.5678 + k:.4f}" for k in range(14)]
    table("", columns, [["patient-1", *values]])
    printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(value in printed for value in (*values, *columns))
    assert max(map(len, printed.splitlines())) <= width


def test_a_folder_of_results_is_evaluated(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for folder in ("fused", "mri", "pet"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            pixels = rng.integers(0, 256, (48, 48), dtype=np.uint8)
            Pillow.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    args = ["evaluate", tmp_path / "fused", "-s", tmp_path / "mri", "-s", tmp_path / "pet", "--metrics", "mse,ssim"]
    answer = json.loads(trifuse(*args, "--workers", "2", "--json").stdout)
    assert [row["case"] for row in answer["rows"]] == ["a", "b"]
    single = json.loads(
        trifuse("evaluate", tmp_path / "fused/a.png", "-s", tmp_path / "mri/a.png", "-s", tmp_path / "pet/a.png",
                "--metrics", "mse,ssim", "--json").stdout
    )  # fmt: skip
    assert answer["rows"][0]["mse"] == pytest.approx(single["mse"])
    (tmp_path / "pet" / "b.png").write_bytes(b"damaged")
    failed = json.loads(trifuse(*args, "--json", code=3).stdout)["failed"]
    assert [row["case"] for row in failed] == ["b"]
    (tmp_path / "pet" / "b.png").unlink()
    assert "no partner for b" in trifuse(*args, code=2).stderr


def test_an_empty_argument_is_no_folder(pictures: list[Path], tmp_path: Path) -> None:
    """A variable of the shell that is not set; a path of no characters would be the folder one is in."""
    said = trifuse("fuse", pictures[0], "", "-o", tmp_path / "fused.png", code=2).stderr
    assert "an argument is empty" in said
    assert (
        "count from 0 (from 1 on the command line)"
        in trifuse("fuse", *pictures[:2], "-o", tmp_path / "fused.png", "--reference", 3, code=2).stderr
    )
    assert (
        "shows nothing"
        in trifuse("fuse", *pictures[:2], "-o", tmp_path / "fused.png", "--opacity", "threshold:nan", code=2).stderr
    )


def test_evaluate_refuses_images_of_different_patients(tmp_path: Path) -> None:
    grey = np.arange(48 * 48, dtype=np.int16).reshape(48, 48)
    for name, patient in (("a", "A1"), ("b", "B2")):
        for folder in ("fused", "source"):
            (tmp_path / folder).mkdir(exist_ok=True)
            own = patient if folder == "source" else "A1"
            dicom_slice(grey, PatientID=own).save_as(tmp_path / folder / f"{name}.dcm", enforce_file_format=True)
    one = ["evaluate", tmp_path / "fused/b.dcm", "-s", tmp_path / "source/b.dcm", "-m", "mse"]
    said = trifuse(*one, code=2).stderr
    assert "source 1 is of another patient than the fused image" in said
    assert "B2" not in said
    assert "mse" in trifuse(*one, "--different-patients").stdout
