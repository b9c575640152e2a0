"""A cohort of a BIDS data set is a BIDS derivative, as the standard's own validator sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from trifuse.cli.app import app

VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) or shutil.which(
    "bids-validator-deno"
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two participants, the second with a session and a skull-stripped, enhanced T1."""
    root, random = tmp_path / "raw", np.random.default_rng(0)
    for name in (
        "sub-01/anat/sub-01_T1w",
        "sub-01/pet/sub-01_trc-FDG_pet",
        "sub-02/ses-a/anat/sub-02_ses-a_ce-gd_T1w",
        "sub-02/ses-a/anat/sub-02_ses-a_FLAIR",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        values = random.random((12, 12, 6), dtype=np.float32)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), root / f"{name}.nii.gz")
    (root / "sub-02/ses-a/anat/sub-02_ses-a_FLAIR.json").write_text('{"SkullStripped": true}')
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    return root


def fused(dataset: Path) -> Path:
    out = dataset.parent / "derivatives"
    done = CliRunner().invoke(app, ["cohort", str(dataset), "-o", str(out), "-m", "max", "--colour", "luma"])
    assert done.exit_code == 0, done.output
    return out


def test_results_are_named_and_described_as_derivatives(dataset: Path) -> None:
    out = fused(dataset)
    images = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.nii.gz"))
    first, second = "sub-01/anat/sub-01_desc-fused_T1w", "sub-02/ses-a/anat/sub-02_ses-a_ce-gd_desc-fused_T1w"
    assert images == [f"{first}.nii.gz", f"{second}.nii.gz"]
    sidecars = [json.loads((out / f"{name}.json").read_text()) for name in (first, second)]
    assert sidecars[0]["Sources"] == [
        "bids::sub-01/anat/sub-01_T1w.nii.gz",
        "bids::sub-01/pet/sub-01_trc-FDG_pet.nii.gz",
    ]
    assert [each["SkullStripped"] for each in sidecars] == [False, True]


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
def test_the_validator_finds_no_error(dataset: Path) -> None:
    done = subprocess.run([str(VALIDATOR), str(fused(dataset)), "--json"], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
