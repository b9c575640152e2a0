"""The command `train`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tests.prepare.studies import MR, MR_SIZE, PET, PET_SIZE, head, mr_series, nifti, pet_series, table
from trifuse.cli.app import app as whole
from trifuse.cli.train import train
from trifuse.core.errors import InputError
from trifuse.fusion import fuse

app = typer.Typer()
app.command()(train)


def test_a_missing_recipe_is_a_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "none.yaml"), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert "recipe cannot be read" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_help_names_what_is_taken() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    assert "YAML recipe" in text
    assert "--resume" in text


@pytest.mark.parametrize("text", ["name: x", "[]"])
def test_an_incomplete_recipe_is_a_clear_error(tmp_path: Path, text: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    result = CliRunner().invoke(app, [str(recipe), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)


ON_A_MANIFEST = """
name: volumes
data: {kind: tables, tables: [MANIFEST]}
model: {task: dc2fusion, width: 8, depths: [1, 1], sample: 0, val_side: 16}
schedule: {steps: 2, batch: 1, warmup: 0, sides: {1: 16}, check_every: 2, log_every: 1}
"""


def test_exported_studies_are_prepared_and_learned_from(tmp_path: Path) -> None:
    for patient in ("p01", "p02"):
        mr_series(tmp_path / patient / "t1")
        pet_series(tmp_path / patient / "pet")
    nifti(tmp_path / "p03" / "t1.nii.gz", MR, head(MR, MR_SIZE))
    nifti(tmp_path / "p03" / "pet.nii.gz", PET, head(PET, PET_SIZE, pet=True))
    rows = ("a,p01,train,p01/t1,p01/pet", "b,p02,train,p02/t1,p02/pet", "c,p03,val,p03/t1.nii.gz,p03/pet.nii.gz")
    studies, data, run = table(tmp_path / "list.csv", *rows), tmp_path / "data", tmp_path / "run"
    prepared = ["prepare", str(studies), "-o", str(data), "--spacing", "5", "--register", "resample"]
    assert CliRunner().invoke(whole, prepared).exit_code == 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(ON_A_MANIFEST.replace("MANIFEST", "data/manifest.csv"))
    result = CliRunner().invoke(whole, ["train", str(recipe), "-o", str(run)])
    assert result.exit_code == 0, result.exception
    assert (run / "samples" / "0000002.png").is_file()  # of the study held out
    assert f"--weights {run / 'volumes.safetensors'}" in result.output
    images = [data / "images" / "c" / f"{name}.nii.gz" for name in ("t1", "pet")]
    fused = fuse(images, "dc2fusion", options={"weights": str(run / "volumes.safetensors")}).image
    assert fused.space == (24, 26, 21)
    assert np.ptp(fused.pixels) > 0.1


@pytest.mark.parametrize(
    ("text", "message"), [("a,train,t1.nii,pet.nii", "no such volume"), ("a,val,t1.nii,t1.nii", "no pair of volumes")]
)
def test_a_manifest_without_volumes_is_a_clear_error(tmp_path: Path, text: str, message: str) -> None:
    nifti(tmp_path / "t1.nii", MR, head(MR, MR_SIZE))
    table(tmp_path / "manifest.csv", text, head="case,split,path_1,path_2")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(ON_A_MANIFEST.replace("MANIFEST", "manifest.csv"))
    result = CliRunner().invoke(app, [str(recipe), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
