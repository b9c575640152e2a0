"""The command `prepare`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.prepare.studies import mr_series, pet_series, table
from trifuse.cli.app import app
from trifuse.core.errors import InputError


def test_failures_are_reported_and_give_exit_code_3(tmp_path: Path) -> None:
    mr_series(tmp_path / "t1")
    pet_series(tmp_path / "pet")
    listed = table(tmp_path / "l.csv", "a,p,train,t1,pet", "b,q,,t1,nowhere")
    arguments = ["prepare", str(listed), "-o", str(tmp_path / "out"), "--spacing", "5"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3
    assert "failed: b: " in result.stderr
    assert "1 studies: 1 train; 1 failed" in result.stderr
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["prepared"][0]["path_2"] == "images/a/pet.nii.gz"
    assert "nowhere" in answer["failed"]["b"]
    table(listed, "a,p,train,t1,pet")
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0
    assert Path(json.loads(result.stdout)["manifest"]).is_file()


def test_a_list_that_cannot_be_read_writes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["prepare", str(tmp_path / "none.csv"), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "out").exists()


def test_windows_stand_for_normalisation_and_sources_stay(tmp_path: Path) -> None:
    mr_series(tmp_path / "t1")
    pet_series(tmp_path / "pet")
    listed = table(tmp_path / "l.csv", "a,p,train,t1,pet")
    arguments = ["--spacing", "5", "--units", "native", "--window", "pet=0:5000", "--json"]
    result = CliRunner().invoke(app, ["prepare", str(listed), "-o", str(tmp_path / "out"), *arguments])
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "records" / "a.json").read_text())
    assert record["sources"][1]["window"] == [0, 5000]
    assert record["sources"][0]["window"] != [0, 5000]
    assert any("as asked for: 0:5000" in note for note in record["sources"][1]["notes"])
    again = table(tmp_path / "m.csv", "a,p,train,out/images/a/t1.nii.gz,out/images/a/pet.nii.gz")
    result = CliRunner().invoke(app, ["prepare", str(again), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert "written anew" in str(result.exception)
    assert (tmp_path / "out" / "images" / "a" / "t1.nii.gz").is_file()
