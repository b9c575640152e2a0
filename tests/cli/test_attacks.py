"""Attacks on the command line: one line each, nothing executed, nothing outside of the output folder."""

from __future__ import annotations

import csv
import io
import json
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow

from tests.cli.calls import called

Run = Callable[..., tuple[int, str, str]]

BENCH = "name: b\ntitle: B\ncases: {listed: {p1: [a.png, b.png]}}\nmethods: [mean]\nmetrics: [mse]\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
NASTY = {
    "deep": "[" * 100_000,
    "deep mappings": "{a: " * 20_000,
    "digits": "seed: " + "9" * 10_000 + "\n",
    "aliases": BOMB,
    "circle": "a: &a [*a]\n",
    "tag": "!!python/object/apply:os.system ['touch owned']",
    "merge bomb": "a: &a {x: 1}\n" + "b: {<<: [" + "*a," * 50 + "]}\n",
    "no text": "\x00\x01",
    "huge": "a: " + "x" * 2**24,
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command line in a folder "work" with a.png and b.png; exit code, stdout, stderr."""
    work = tmp_path / "work"
    work.mkdir()
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 256, (24, 24), dtype=np.uint8)
        Pillow.fromarray(noise).save(work / f"{name}.png")
    monkeypatch.chdir(work)
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path / "home"))

    def run_it(*arguments: object) -> tuple[int, str, str]:
        done = called(*arguments)
        assert {path.name for path in tmp_path.iterdir()} <= {"work", "home"}
        assert not Path("owned").exists()
        return done.code, done.stdout, done.stderr

    return run_it


def refused(answer: tuple[int, str, str]) -> str:
    """What was said: one line, exit code 2."""
    code, _, err = answer
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1
    assert err.strip().isprintable()
    assert len(err) < 1000
    return err


@pytest.mark.parametrize("command", ["bench", "train", "cohort", "prepare"])
@pytest.mark.parametrize("attack", NASTY)
def test_yaml(run: Run, command: str, attack: str) -> None:
    Path("x.yaml").write_text(NASTY[attack])
    began = time.process_time()
    refused(run(command, "x.yaml", "-o", "out"))
    assert time.process_time() - began < 10
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "attack", ["[" * 100_000, '{"a":' * 100_000, '{"seed": ' + "9" * 10_000 + "}", "\0", '{"name": NaN}']
)
def test_json_configurations(run: Run, attack: str) -> None:
    Path("x.json").write_text(attack)
    assert "x.json" in refused(run("train", "x.json", "-o", "out"))
    assert not Path("out").exists()


@pytest.mark.parametrize("value", ["[" * 20_000, "9" * 10_000, "!!python/name:os.system", "&a [*a]"])
def test_values_of_set(run: Run, value: str) -> None:
    assert "schedule.steps" in refused(run("train", "dncnn-small", "-o", "out", "--set", f"schedule.steps={value}"))
    assert not Path("out").exists()


@pytest.mark.parametrize("name", ["../../out", "/tmp/x", "..", "a" * 300, "a/b", "a\nb", ""])
def test_names_of_recipes_are_names(run: Run, name: str) -> None:
    Path("x.yaml").write_text(BENCH.replace("name: b", f"name: {json.dumps(name)}"))
    assert "name" in refused(run("bench", "x.yaml", "-o", "out"))


LABEL = "=cmd|' /C calc'!A0 <script>alert(1)</script> $\\frac{ {0.__class__} %s \x1b[31m [/red] \\input{x}"


def test_labels_and_cases_of_a_bench_are_words(run: Run) -> None:
    broken = json.dumps("$\\\\notamacro")
    label, case = json.dumps(LABEL), json.dumps("../../" + LABEL + "x" * 300)
    rows = f"methods: [{{method: mean, label: {label}}}, {{method: max, label: {broken}}}]"
    Path("x.yaml").write_text(BENCH.replace("methods: [mean]", rows).replace("p1:", f"{case}:"))
    code, out, err = run("bench", "x.yaml", "-o", "out")
    assert code == 0, err
    assert "\x1b" not in out + err
    for table in ("results.csv", "summary.csv"):
        with Path("out", table).open(newline="") as opened:
            cells = [cell for row in csv.reader(opened) for cell in row]
        assert any(LABEL in cell for cell in cells)
        assert not any(cell.startswith("=") for cell in cells)
    for page in ("index.html", "table.md"):
        text = Path("out", page).read_text()
        assert "&lt;script&gt;" in text
        assert "<script>" not in text
    assert r"\input" not in Path("out/table.tex").read_text()
    assert Path("out/plots/boxes-x1.png").is_file()


def test_names_and_cells_of_a_cohort_stay_inside(run: Run) -> None:
    names = ["../../x", "/etc/x", "..", "a" * 300, "=1+1", "<b>x</b>", "a\x1b[31m", "CON", ".", "$x$"]
    with Path("cases.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["case", "t1", "pet"], *([name, "a.png", "b.png"] for name in names)])
    code, _, err = run("cohort", "cases.csv", "-o", "out", "-m", "mean", "--colour", "luma")
    assert code == 0, err
    assert "\x1b" not in err
    assert len(list(Path("out").rglob("fused.png"))) == len(names)
    with Path("out/cohort.csv").open(newline="") as opened:
        assert "'=1+1" in [row["case"] for row in csv.DictReader(opened)]
    assert "<b>x</b>" not in Path("out/index.html").read_text()


@pytest.mark.parametrize(
    "cell", ["a\0.png", "/dev/zero", "../" * 200 + "x", "a" * 5000 + ".png", "\x1b[31m.png", "~nobody/x"]
)
def test_paths_of_a_cohort(run: Run, cell: str) -> None:
    with Path("cases.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["case", "t1", "pet"], ["p", "a.png", cell]])
    code, _, err = run("cohort", "cases.csv", "-o", "out")
    assert code in (2, 3), err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_a_table_of_one_endless_cell(run: Run) -> None:
    Path("cases.csv").write_text("case,t1,pet\np," + "x" * 200_000 + ",b.png\n")
    assert "cases.csv" in refused(run("cohort", "cases.csv", "-o", "out"))
    assert not Path("out").exists()


class Owner:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch owned",)


def _claims(path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.getvalue())


def _object(path: Path) -> None:
    np.savez(path, a=np.array([Owner()], dtype=object))


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": Owner()}))


def _torch(path: Path) -> None:
    torch.save({"a": Owner()}, path)


def _outside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../../owned.npy", b"x")


WEIGHTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "npz that announces 700 TiB": ("x.npz", _claims),
    "npz with a pickle": ("x.npz", _object),
    "npz that climbs": ("x.npz", _outside),
    "pickle": ("x.pkl", _pickle),
    "torch pickle": ("x.pt", _torch),
    "deep header": ("x.safetensors", lambda path: path.write_bytes((10**5).to_bytes(8, "little") + b"[" * 10**5)),
    "endless header": ("x.safetensors", lambda path: path.write_bytes((2**63).to_bytes(8, "little") + b"{}")),
}


@pytest.mark.parametrize("attack", WEIGHTS)
def test_weights(run: Run, attack: str) -> None:
    name, make = WEIGHTS[attack]
    make(Path(name))
    assert name in refused(run("weights", "add", "mine", name))
    assert name in refused(run("fuse", "a.png", "b.png", "-m", "cddfuse", "--weights", name, "-o", "f.png"))
    assert not Path("f.png").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a" * 300, "\x1b[31m"])
def test_names_of_weights(run: Run, name: str) -> None:
    torch.save({"a": torch.zeros(1)}, "w.pt")
    assert ("name" if name else "empty") in refused(run("weights", "add", name, "w.pt"))


def test_entities_of_ome_tiff_are_not_expanded(run: Run) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY l0 "x">{levels}]><OME><Image Name="&l11;"/></OME>'
    tifffile.imwrite("x.tif", np.arange(576, dtype=np.uint8).reshape(24, 24), description=text, metadata=None)
    began = time.process_time()
    code, _, err = run("fuse", "a.png", "x.tif", "-o", "f.png", "-m", "mean")
    assert time.process_time() - began < 5
    assert code in (0, 2), err


def test_control_characters_of_file_names_are_written_out(run: Run) -> None:
    name = "a\x1b[31m[bold].png"
    Path("a.png").rename(name)
    code, out, err = run("fuse", name, "b.png", "-m", "mean", "-o", "f\x1b[2J.png", "--picture", "s.png")
    assert code == 0, err
    assert "\x1b" not in out + err
    refused(run("fuse", name + "x", "b.png", "-o", "g.png"))
    for folder in ("fused", "one", "two"):
        Path(folder).mkdir()
        Pillow.new("L", (24, 24), 9).save(Path(folder) / name)
    code, out, err = run("evaluate", "fused", "-s", "one", "-s", "two", "-m", "mse")
    assert code == 0, err
    assert "\x1b" not in out + err
    code, out, _ = run("evaluate", "fused", "-s", "one", "-s", "two", "-m", "mse", "--json")
    assert "\x1b" not in out
    assert json.loads(out)


def test_names_of_300_characters(run: Run) -> None:
    assert "cannot be written" in refused(run("fuse", "a.png", "b.png", "-m", "mean", "-o", "a" * 300 + ".png"))
    assert "cannot be" in refused(run("fuse", "a" * 300 + ".png", "b.png", "-m", "mean", "-o", "f.png"))
    assert "cannot be written" in refused(run("fuse", "a.png", "b.png", "-m", "mean", "-o", "a" * 252 + ".png"))
